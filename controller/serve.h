/*
 * The controller at work: sources, signer, discovery and admin port on one event loop, from start
 * to end.
 */
#ifndef OUTRIGGER_CONTROLLER_SERVE_H
#define OUTRIGGER_CONTROLLER_SERVE_H

#include "controller/options.h"

/*
 * Serves until SIGTERM or SIGINT, then lets finish what is under way (a second one ends it at
 * once). SIGHUP reads all manifests again. The exit status: 0, or 1 after one line on stderr when
 * it could not start.
 */
int serve(const struct settings *settings);

#endif

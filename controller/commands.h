/*
 * What outrigger-controller does besides serving: short commands that print something and end.
 */
#ifndef OUTRIGGER_CONTROLLER_COMMANDS_H
#define OUTRIGGER_CONTROLLER_COMMANDS_H

#include "controller/options.h"

/*
 * Each returns the exit status: 0, or 1 after one line on stderr. What `check` finds is its result:
 * a line a problem on stdout, and 1;
 * the kinds that are not read stand on stderr, and change nothing.
 * `token` and `anchors` make their keys only in a folder that is empty or another key's, and then
 * say so in a line on stderr.
 */
int command_token(const struct settings *settings, const char *namespace, const char *account);
int command_anchors(const struct settings *settings);
int command_check(const char *folder);

#endif

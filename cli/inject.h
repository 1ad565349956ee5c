/*
 * `outrigger inject`: a stream of manifests in, the same with the proxy in its pods out.
 */
#ifndef OUTRIGGER_CLI_INJECT_H
#define OUTRIGGER_CLI_INJECT_H

#include "common/buf.h"
#include "controller/inject/settings.h"

#define INJECT_MAX_BYTES (64u << 20)

/* Told of each pod that is not injected, and of what its owner should know: "x.yaml:3: ...". */
typedef void (*cli_on_note)(void *context, const char *note);

/*
 * All or nothing: on failure `err` names file, line and what was expected. `out` is to be
 * initialised by the caller.
 */
bool cli_inject(struct slice text, const char *file, const struct inject_settings *settings,
                cli_on_note on_note, void *context, struct buf *out, struct err *err) MUST_USE;

#endif

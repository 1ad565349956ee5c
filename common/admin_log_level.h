/*
 * The page /log-level of every admin port.
 */
#ifndef OUTRIGGER_COMMON_ADMIN_LOG_LEVEL_H
#define OUTRIGGER_COMMON_ADMIN_LOG_LEVEL_H

#include "common/admin_http.h"

#define ADMIN_LOG_LEVEL_HELP "the log level; POST level=debug|info|warn|error sets it"

/* GET tells the level, POST sets it and logs that; `context` is not looked at. */
void admin_serve_log_level(struct admin_request *request, void *context);

#endif

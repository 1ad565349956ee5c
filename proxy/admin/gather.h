/*
 * One question to all workers, one answer when all have answered.
 */
#ifndef OUTRIGGER_PROXY_ADMIN_GATHER_H
#define OUTRIGGER_PROXY_ADMIN_GATHER_H

#include "proxy/admin/admin.h"

/*
 * Asks every worker for `view`. `done` is called once, on the main thread, maybe before this
 * returns, with a new reference to an array: what workers answered as arrays is joined, other
 * answers are its elements; a worker that could not answer adds nothing. NULL when memory is short.
 */
void gather_start(const struct admin_sources *sources, enum worker_view view,
                  void (*done)(void *context, struct json_t *array), void *context);

#endif

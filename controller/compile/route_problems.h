/*
 * Routes that have no effect, or not all of it: told as problems, since their authors think that
 * they work. What is wrong is what their status says (route_status.h).
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_ROUTE_PROBLEMS_H
#define OUTRIGGER_CONTROLLER_COMPILE_ROUTE_PROBLEMS_H

#include "controller/objects/problems.h"
#include "controller/objects/store.h"

struct route_problems;

/*
 * Looks at what is in the store and again at each commit; both, and the problems, must outlive it.
 * A new problem is logged once. NULL when memory is short.
 */
struct route_problems *route_problems_new(struct store *store, struct problems *problems);

/* After it the store may not be committed any more. */
void route_problems_free(struct route_problems *routes);

#endif

/*
 * TrafficPolicies of one rank that say different things about the same pod or Service. One of them
 * goes first, which object_precedence() decides; the other is told as a problem, since its author
 * thinks that it is in effect. A policy about a Service that is not there is told too.
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_CONFLICTS_H
#define OUTRIGGER_CONTROLLER_COMPILE_CONFLICTS_H

#include "controller/objects/problems.h"
#include "controller/objects/store.h"

struct conflicts;

/*
 * Looks at what is in the store and again at each commit; both, and the problems, must outlive it.
 * A new problem is logged once. NULL when memory is short.
 */
struct conflicts *conflicts_new(struct store *store, struct problems *problems);

/* After it the store may not be committed any more. */
void conflicts_free(struct conflicts *conflicts);

#endif

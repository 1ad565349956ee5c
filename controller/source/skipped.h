/*
 * The kinds of objects in manifests that the controller does not read: how many there are of each,
 * and where the first one is. Memory that is short loses a line of it and nothing else.
 */
#ifndef OUTRIGGER_CONTROLLER_SOURCE_SKIPPED_H
#define OUTRIGGER_CONTROLLER_SOURCE_SKIPPED_H

#include <stddef.h>

#include "common/map.h"

struct skipped_kind {
    size_t n;
    const char *file; /* the caller's text, which must live as long */
    unsigned line;    /* 1-based */
};

/* `(struct skipped){0}` is an empty one. */
struct skipped {
    struct map by_kind; /* kind -> struct skipped_kind */
};

void skipped_fini(struct skipped *skipped); /* which is then empty */

/* One more object of the kind. Of those in one file the first is told of first. */
void skipped_add(struct skipped *skipped, const char *kind, const char *file, unsigned line);

/* Adds what another has; of two files that whose name sorts first counts as the first. */
void skipped_add_all(struct skipped *skipped, const struct skipped *other);

#endif

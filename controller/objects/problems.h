/*
 * What is wrong with the configuration right now, for people: one line for each origin (a file, a
 * policy). The log says when a problem comes and goes; this list says which are there.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_PROBLEMS_H
#define OUTRIGGER_CONTROLLER_OBJECTS_PROBLEMS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/map.h"

struct problems {
    struct map by_origin; /* origin -> malloc'd text */
};

void problems_init(struct problems *problems);
void problems_fini(struct problems *problems);

/* Sets the origin's problem. True when it is a new one (another text, or none before). */
bool problems_set(struct problems *problems, const char *origin, const char *text);

/* True when there was one. */
bool problems_clear(struct problems *problems, const char *origin);

static inline size_t problems_count(const struct problems *problems)
{
    return problems->by_origin.count;
}

/*
 * The texts in the order of their bytes, n = problems_count(). Free the array, not the texts, which
 * live until the next problems_set or problems_clear. NULL when there is none or memory is short.
 */
const char **problems_list(const struct problems *problems);

#endif

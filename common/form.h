/*
 * Parameters as browsers send them: the query of a URL, or a body of
 * application/x-www-form-urlencoded. Pure.
 */
#ifndef OUTRIGGER_COMMON_FORM_H
#define OUTRIGGER_COMMON_FORM_H

#include "common/arena.h"

#define FORM_MAX_PARAMS 64

struct form_param {
    const char *name, *value;
};
struct form {
    struct form_param *params;
    size_t n;
};

/*
 * "a=1&b=x+y%21" as names and values with their NUL, in `arena`. A name without '=' has the value
 * "". False, and no parameters: more than FORM_MAX_PARAMS, a '%' without two digits, a NUL (no text
 * could hold it), or memory is short.
 */
bool form_parse(struct form *form, struct arena *arena, struct slice text) MUST_USE;

/* The first of that name, or NULL. */
const char *form_find(const struct form *form, const char *name);

#endif

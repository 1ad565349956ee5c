/*
 * The query of a request's target, taken apart at '&' and '='. As it stands: nothing is unescaped.
 */
#ifndef OUTRIGGER_COMMON_HTTP_QUERY_H
#define OUTRIGGER_COMMON_HTTP_QUERY_H

#include "common/err.h"
#include "common/slice.h"

/* The value of the first parameter of the name; `query` begins with '?', or is empty. False: there
 * is none. */
bool query_find(struct slice query, struct slice name, struct slice *value) MUST_USE;

#endif

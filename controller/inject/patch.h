/*
 * A list of RFC 6902 operations. "test" and "move" are not needed here: a webhook's patch is
 * applied to the very object that it was shown.
 */
#ifndef OUTRIGGER_CONTROLLER_INJECT_PATCH_H
#define OUTRIGGER_CONTROLLER_INJECT_PATCH_H

#include <jansson.h>
#include <stdbool.h>

#include "common/err.h"

/*
 * Each appends one operation with a path that is made from the format; `value` changes hands, also
 * on failure, and NULL is a failure. False when memory is short.
 */
bool patch_add(json_t *patch, json_t *value, const char *path, ...) PRINTF_LIKE(3, 4) MUST_USE;
bool patch_replace(json_t *patch, json_t *value, const char *path, ...) PRINTF_LIKE(3, 4) MUST_USE;
bool patch_remove(json_t *patch, const char *path, ...) PRINTF_LIKE(2, 3) MUST_USE;

/*
 * Carries the operations out on `document`. False when one does not fit it: then it is half
 * changed. Knows add, replace and remove.
 */
bool patch_apply(json_t *document, const json_t *patch) MUST_USE;

#endif

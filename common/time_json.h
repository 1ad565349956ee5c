/* A moment for the admin ports' pages. */
#ifndef OUTRIGGER_COMMON_TIME_JSON_H
#define OUTRIGGER_COMMON_TIME_JSON_H

#include <jansson.h>
#include <stdint.h>

/* "2026-01-31T12:00:00Z"; null for 0, which is never. A new reference; NULL when memory is short.
 */
json_t *time_json(int64_t wall_sec);

#endif

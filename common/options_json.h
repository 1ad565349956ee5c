/* A program's options as they are in force, for the admin ports' /config. */
#ifndef OUTRIGGER_COMMON_OPTIONS_JSON_H
#define OUTRIGGER_COMMON_OPTIONS_JSON_H

#include <jansson.h>

#include "common/options.h"

/* The value of an OPTION_CUSTOM, of which only the program knows the type; NULL: no memory. */
typedef json_t *options_json_custom(const struct option_row *row, const void *field);

/*
 * An object with each option of the table by its name: flags and numbers as such, all else as the
 * text that the option takes, durations with their unit ("90s", "24h", "50ms"), and null for a text
 * that nobody gave. `custom` may be NULL where the table has no such row. A new reference; NULL
 * when memory is short.
 */
json_t *options_json(const struct option_table *table, const void *settings,
                     options_json_custom *custom) MUST_USE;

#endif

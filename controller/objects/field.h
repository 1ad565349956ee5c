/*
 * Reading typed values out of a YAML tree. A field knows its way from the document's root, so that
 * every complaint names file, line and path:
 *
 *     payments.yaml:14: spec.rules[0].from[1].ipBlocks[0]: "10.0.0.0/33" is no CIDR block
 *
 * The first complaint of a reading stays; after it every reader returns its empty value. So readers
 * are called one after the other and the reading is asked once, at the end, whether it failed.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_FIELD_H
#define OUTRIGGER_CONTROLLER_OBJECTS_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/slice.h"
#include "controller/objects/yaml_node.h"

#define FIELD_TEXT_MAX 4096 /* bytes of one text that is kept */

/* The reading of one document. */
struct reading {
    const char *file;    /* as people know it */
    struct arena *arena; /* where texts are copied to */
    struct err *err;     /* filled when has_failed is set */
    bool has_failed;
};

/* A place in the tree; lives on the stack, below the field it was got from. */
struct field {
    struct reading *reading;
    const struct field *up;       /* NULL for the root */
    const char *name;             /* key in its map; NULL for an item of a list */
    size_t index;                 /* in its list */
    const struct yaml_node *node; /* NULL: absent, or null */
};

struct field field_root(struct reading *reading, const struct yaml_node *node);

/* The field of a map. Absent when the map is; a complaint when `map` is something else. */
struct field field_get(const struct field *map, const char *name);

static inline bool field_is_set(const struct field *field)
{
    return field->node != NULL;
}

/* A complaint about this field, unless there was one before. Returns false. */
bool field_fail(const struct field *field, const char *format, ...) PRINTF_LIKE(2, 3);

/* A complaint when memory was short (`ptr` is NULL). Returns whether there was enough. */
bool field_has_memory(const struct field *field, const void *ptr);

/* A complaint when the field is absent. */
bool field_require(const struct field *field);

/* A complaint naming the nearest right name when the map has fields beyond the n names. */
void field_allow_only(const struct field *map, const char *const *names, size_t n);

/* Walks a list or a map: start with `(struct field){0}`. A complaint when it is something else. */
bool field_next_item(const struct field *list, struct field *item);
bool field_next_entry(const struct field *map, struct field *entry);

/* How many items a list has; 0 when it is absent; a complaint when it is no list. */
size_t field_count(const struct field *list);

/* As field_count(), with a complaint when the list is there but empty. */
size_t field_count_some(const struct field *list);

/* The text where it lies in the tree; empty when absent. Numbers and booleans are complained of. */
struct slice field_slice(const struct field *field);

/* A copy in the reading's arena; "" when absent. */
const char *field_text(const struct field *field);

/* One of n names: its index, or -1 when absent. */
int field_choice(const struct field *field, const char *const *names, size_t n);

/* Numbers without quotes between min and max; `absent` when absent. */
uint64_t field_uint(const struct field *field, uint64_t min, uint64_t max, uint64_t absent);

/* Is it a plain whole number (and not a text)? */
bool field_is_number(const struct field *field);

bool field_bool(const struct field *field, bool absent);

/* "250ms", "10s", "5m", "24h", "7d" as milliseconds; 0 when absent. */
uint64_t field_duration_ms(const struct field *field, uint64_t min_ms, uint64_t max_ms);

#endif

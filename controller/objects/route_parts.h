/*
 * What the files that read a route share; nobody else includes it.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_ROUTE_PARTS_H
#define OUTRIGGER_CONTROLLER_OBJECTS_ROUTE_PARTS_H

#include "controller/objects/route.h"

/*
 * Room for the items of a list: `*n` elements of `size` bytes, zeroed. `*n` is 0 where the list is
 * absent, empty, too long (a complaint), or memory is short.
 */
void *route_list(const struct field *list, size_t max, size_t size, size_t *n);

/* A header's name, in lower case; a complaint when it is none, or one that a route may not touch.
 */
const char *route_header_name(const struct field *field);
/* A copy in lower case, "" with a complaint when memory is short. */
const char *route_lower_case(const struct field *field, struct slice text);
/* Complains of what is no expression that a proxy can match. */
void route_check_regex(const struct field *field, const char *text);
/* A path for exact and prefix matches, and to put in one's place. */
const char *route_path(const struct field *field);

/* route.c: one reference to a backend, without weight and filters. */
void route_backend_read(const struct field *ref, const struct object *route,
                        struct route_backend *backend);

/* Says why the rule cannot have any effect, as "spec.rules[0].x: TEXT", unless it was said before.
 */
void route_rule_drop(struct route_rule *rule, const struct field *field, const char *text);

/* route_matches.c: `matches` of the rule. */
void route_matches_read(const struct field *rule_field, const struct object *route,
                        struct route_rule *rule);

/* route_filters.c: `filters` of the rule, or of one of its backends. */
void route_filters_read(const struct field *list, const struct object *route,
                        struct route_rule *rule, const struct route_filter **filters, size_t *n);

/* route_filters.c: complains of filters of the rule that do not go together or with its matches. */
void route_filters_check(const struct field *rule_field, const struct route_rule *rule);

#endif

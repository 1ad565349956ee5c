/*
 * The values that several kinds have in common: names, labels, addresses, lists of texts.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_VALUE_H
#define OUTRIGGER_CONTROLLER_OBJECTS_VALUE_H

#include "common/cidr.h"
#include "controller/objects/field.h"
#include "controller/objects/object.h"

struct texts {
    const char *const *list;
    size_t n;
};

struct ips {
    const struct ip *list;
    size_t n;
};

/* The name of a namespace or a Service; complains unless it is a DNS label. "" when absent. */
const char *field_label_name(const struct field *field);
/* The name of a header in lower case; complains unless a policy may look at it. "" when absent. */
const char *field_header_name(const struct field *field);

/* The name of an object: a DNS name. "" when absent. */
const char *field_dns_name(const struct field *field);

/* A map from texts to texts, sorted; empty when absent. */
struct labels field_labels(const struct field *map);

/*
 * A policy's `selector: {matchLabels: {...}}`; empty when absent, a complaint when it is there but
 * selects everything.
 */
struct labels field_selector(const struct field *selector);

/* Appends the address to an array of `size`; complains of what is no address. */
void field_ip(const struct field *field, struct ip *list, size_t *n);

/* "2026-01-31T12:00:00Z" as seconds since the epoch; INT64_MAX when absent. */
int64_t field_time(const struct field *field);

/*
 * A list of texts that is not empty, each of which `check` finds good (it complains itself, and
 * may return another text in its place); empty when absent.
 */
struct texts field_texts(const struct field *list,
                         const char *(*check)(const struct field *item, const void *context),
                         const void *context);

/* Room, all zero, for the items of a list that has 1 to `max`. NULL when there is none to read, or
 * the reading has failed. */
void *field_take_items(const struct field *list, size_t max, size_t size);

#endif

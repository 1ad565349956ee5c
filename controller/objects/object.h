/*
 * What every Kubernetes object has, whatever its kind. An object is read once from YAML, never
 * written to again, and replaced whole. Everything it points to lives in its own arena.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_OBJECT_H
#define OUTRIGGER_CONTROLLER_OBJECTS_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/slice.h"

enum object_kind {
    OBJECT_NAMESPACE,
    OBJECT_SERVICE_ACCOUNT,
    OBJECT_POD,
    OBJECT_SERVICE,
    OBJECT_ENDPOINT_SLICE,
    OBJECT_ACCESS_POLICY,
    OBJECT_TRAFFIC_POLICY,
    OBJECT_HTTP_ROUTE,
    OBJECT_GRPC_ROUTE,
    OBJECT_TCP_ROUTE,
    OBJECT_REFERENCE_GRANT,
    OBJECT_HTTP_FILTER,
    OBJECT_EXTERNAL_SERVICE,
    OBJECT_TRAFFIC_TARGET, /* the following four are of the Service Mesh Interface */
    OBJECT_TRAFFIC_SPLIT,
    OBJECT_HTTP_ROUTE_GROUP,
    OBJECT_SMI_TCP_ROUTE,
    OBJECT_KINDS, /* how many there are */
};

struct label {
    const char *key;
    const char *value;
};

/* Sorted by key, no key twice. */
struct labels {
    const struct label *list;
    size_t n;
};

/* The first member of every kind's struct: struct pod, struct service, ... */
struct object {
    enum object_kind kind;
    unsigned line;         /* of the document's first field, 1-based */
    const char *namespace; /* "" for a Namespace; "default" where none was given */
    const char *name;      /* unique among its kind and namespace */
    const char *file;      /* where it was read, as it is told to people */
    struct labels labels;  /* empty for kinds that nothing selects */
    int64_t created_sec;   /* seconds since the epoch; INT64_MAX where it was not given */
    struct arena arena;    /* holds the object itself and all of its texts */
};

/* "Pod", "AccessPolicy", ...: as in `kind`, and of kinds with the same one, with the group. */
const char *object_kind_name(enum object_kind kind);

/* NULL when there is no such label. */
const char *labels_get(struct labels labels, const char *key);

/* Has `labels` every key and value of `wanted`? True when `wanted` is empty. */
bool labels_match(struct labels wanted, struct labels labels);

/* By namespace, then name, in the order of their bytes: less than, equal to or more than 0. */
int object_compare(const struct object *a, const struct object *b);

/*
 * Which of two objects that say different things goes first: the older, then the one whose
 * namespace and name sort first. Less than, equal to or more than 0.
 */
int object_precedence(const struct object *a, const struct object *b);

/* Frees the object and everything in it; NULL is let be. */
void object_free(struct object *object);

#endif

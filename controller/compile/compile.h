/*
 * From objects to resources: one resource by its type and name, on demand. The same objects always
 * give the same bytes, and the version is a hash of them, so that versions survive a restart and
 * agree between replicas.
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_COMPILE_H
#define OUTRIGGER_CONTROLLER_COMPILE_COMPILE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "common/map.h"
#include "common/resource_type.h"
#include "common/slice.h"
#include "controller/objects/store.h"

#define COMPILE_ROOT_NAMESPACE "outrigger-system" /* its policies are the whole mesh's */
#define RESOURCE_VERSION_BYTES 17                 /* 16 hex digits and the NUL */
#define RESOURCE_NAME_MAX      512                /* longer names name nothing */

struct compile_settings {
    const char *trust_domain;
    const char *root_namespace; /* COMPILE_ROOT_NAMESPACE unless a test says otherwise */
};

/* Immutable; belongs to the caller. */
struct resource {
    enum resource_type type;
    bool exists;      /* false: nothing of this name; bytes and version are empty */
    const char *name; /* as it was asked for */
    char version[RESOURCE_VERSION_BYTES];
    struct slice bytes;          /* serialized outrigger.v1.Workload, Service or Endpoints */
    const char *namespace;       /* a Workload's pod: who may see it; else "" */
    const char *service_account; /* likewise */
    /*
     * The same for the callers of one namespace that has routes of its own to a Service, which is
     * in `consumer` ("" in the first, which is for all others); then for the next such namespace.
     */
    const char *consumer;
    struct resource *next;
    const char *const *keys; /* of the store, that were looked up; also when nothing was found */
    size_t n_keys;
};

/*
 * Makes the resource. A name that nothing has, or that cannot be a name, gives a resource that does
 * not exist (and that is affected when it comes to be). NULL only when memory is short.
 */
struct resource *resource_compile(const struct store *store,
                                  const struct compile_settings *settings, enum resource_type type,
                                  const char *name) MUST_USE;
void resource_free(struct resource *resource);

/* What a caller of that namespace is told: the resource itself, or one of those behind it. */
const struct resource *resource_for(const struct resource *resource, struct slice namespace);

/* Must the resource be compiled again after a change? `changed` as store_on_change gets it, NULL
 * included. */
bool resource_is_affected(const struct resource *resource, const struct map *changed);

#endif

/*
 * A ReferenceGrant (gateway.networking.k8s.io/v1beta1): whose routes may send to Services of its
 * namespace.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_REFERENCE_GRANT_H
#define OUTRIGGER_CONTROLLER_OBJECTS_REFERENCE_GRANT_H

#include "controller/objects/field.h"
#include "controller/objects/object.h"

struct grant_from {
    const char *group, *kind, *namespace;
};

struct grant_to {
    const char *group, *kind;
    const char *name; /* "": all of the kind */
};

struct reference_grant {
    struct object object;
    const struct grant_from *from;
    const struct grant_to *to;
    size_t n_from, n_to;
};

/* Fills what is the kind's own; `object` has been read. Complaints go to the field's reading. */
void reference_grant_read(const struct field *root, struct object *object);

/* May the route send to the Service of that name in the grant's namespace? */
bool reference_grant_covers(const struct reference_grant *grant, const struct object *route,
                            const char *service);

#endif

/*
 * An ExternalService (outrigger.dev/v1alpha1): something outside of the mesh that has a name, which
 * the pods of its namespace (of the mesh, in the root namespace) may go to where their egress mode
 * is registry-only.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_EXTERNAL_SERVICE_H
#define OUTRIGGER_CONTROLLER_OBJECTS_EXTERNAL_SERVICE_H

#include "controller/objects/field.h"
#include "controller/objects/object.h"
#include "controller/objects/value.h"

#define EXTERNAL_NAMES_MAX 256 /* addresses likewise */
#define EXTERNAL_PORTS_MAX 64

struct external_host_object {
    struct object object;
    struct texts hosts;     /* in lower case: exact, or with "*." in front; none: any name */
    struct texts addresses; /* CIDR blocks; none: anywhere */
    const uint32_t *ports;
    size_t n_ports;
};

/* Fills what is the kind's own; complaints go to the field's reading. */
void external_service_read(const struct field *root, struct object *object);

#endif

/*
 * A TrafficTarget of the Service Mesh Interface (access.smi-spec.io, v1alpha1 to v1alpha3): which
 * service accounts may send which kinds of traffic to the pods of another. What no TrafficTarget
 * of such a pod allows is refused.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_TRAFFIC_TARGET_H
#define OUTRIGGER_CONTROLLER_OBJECTS_TRAFFIC_TARGET_H

#include "controller/objects/field.h"
#include "controller/objects/object.h"
#include "controller/objects/value.h"

#define TARGET_RULES_MAX   64
#define TARGET_SOURCES_MAX 1000

/* Refers to an object of the target's own namespace. */
struct target_rule {
    bool is_http; /* an HTTPRouteGroup; else a TCPRoute of specs.smi-spec.io */
    const char *name;
    struct texts matches; /* of the group; none: all of them */
};

struct traffic_target {
    struct object object;
    const char *account; /* whose pods are the destination; of the object's namespace */
    uint16_t port;       /* 0: all */
    const struct target_rule *rules;
    size_t n_rules;
    struct texts sources; /* "NAMESPACE/ACCOUNT" */
};

/* Fills what is the kind's own; complaints go to the field's reading. */
void traffic_target_read(const struct field *root, struct object *object);

#endif

/*
 * A TrafficSplit of the Service Mesh Interface (split.smi-spec.io, v1alpha1 to v1alpha4): what is
 * sent to a Service goes to others instead, by weight; with `matches`, only what an HTTPRouteGroup
 * describes does.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_TRAFFIC_SPLIT_H
#define OUTRIGGER_CONTROLLER_OBJECTS_TRAFFIC_SPLIT_H

#include "controller/objects/field.h"
#include "controller/objects/object.h"
#include "controller/objects/value.h"

#define SPLIT_BACKENDS_MAX 16
#define SPLIT_GROUPS_MAX   16

struct split_backend {
    const char *service;
    uint32_t weight; /* 0-1000000 */
};

struct traffic_split {
    struct object object;
    const char *service; /* the root; like all names here of the object's namespace */
    const struct split_backend *backends;
    size_t n_backends;
    struct texts groups; /* HTTPRouteGroups; none: everything is split */
};

/* Fills what is the kind's own; complaints go to the field's reading. */
void traffic_split_read(const struct field *root, struct object *object);

#endif

/*
 * The `to` of an AccessPolicy's rule: ports, and what is asked for there. What the conditions mean
 * is said in proto/resources.proto.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_ACCESS_TARGET_H
#define OUTRIGGER_CONTROLLER_OBJECTS_ACCESS_TARGET_H

#include "controller/objects/field.h"
#include "controller/objects/ports.h"
#include "controller/objects/value.h"

struct header_condition {
    const char *name;
    struct texts values; /* none: the field is there */
};

struct header_conditions {
    const struct header_condition *list;
    size_t n;
};

struct access_target {
    struct port_ranges ports, not_ports;
    struct texts methods, not_methods;
    struct texts paths, not_paths;
    struct texts hosts, not_hosts;
    struct texts grpc_methods, not_grpc_methods;
    struct header_conditions headers, not_headers;
};

void access_target_read(const struct field *to, struct access_target *target);

#endif

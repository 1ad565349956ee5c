/*
 * An EndpointSlice: where a Service is, as the cluster or a person says it.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_ENDPOINT_SLICE_H
#define OUTRIGGER_CONTROLLER_OBJECTS_ENDPOINT_SLICE_H

#include "controller/objects/field.h"
#include "controller/objects/object.h"
#include "controller/objects/value.h"

struct slice_endpoint {
    struct ip address; /* the first one, which is the one to be used */
    const char *zone;  /* or "" */
    const char *pod;   /* targetRef, when it is a Pod: its name; else "" */
    const char *pod_namespace;
    bool is_ready;
    bool is_terminating;
};

struct slice_port {
    const char *name;         /* of the service's port; or "" */
    const char *app_protocol; /* or "" */
    uint16_t port;            /* 0: whatever port the service has */
};

struct endpoint_slice {
    struct object object;
    const char *service; /* label kubernetes.io/service-name; or "" */
    const struct slice_endpoint *endpoints;
    size_t n_endpoints;
    const struct slice_port *ports; /* TCP */
    size_t n_ports;
};

/* Fills what is the kind's own; `object` has been read. Complaints go to the field's reading. */
void endpoint_slice_read(const struct field *root, struct object *object);

#endif

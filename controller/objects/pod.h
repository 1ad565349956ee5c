/*
 * A Pod, as far as the mesh needs to know it.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_POD_H
#define OUTRIGGER_CONTROLLER_OBJECTS_POD_H

#include "controller/objects/annotations.h"
#include "controller/objects/field.h"
#include "controller/objects/object.h"
#include "controller/objects/value.h"

#define POD_PROXY_CONTAINER "outrigger-proxy"

struct container_port {
    const char *name; /* or "" */
    uint16_t port;    /* TCP */
};

struct pod {
    struct object object;
    struct annotations annotations;
    const char *service_account;        /* "default" where none is given */
    const char *workload;               /* what owns the pod: a Deployment's name, ...; never "" */
    const char *zone;                   /* or "" */
    struct ips ips;                     /* none before the pod has been started */
    const struct container_port *ports; /* of the application's containers */
    size_t n_ports;
    bool is_finished; /* Succeeded or Failed: its address may be another pod's by now */
    bool is_ready;    /* its Ready condition; true when the status has no conditions at all */
    bool is_terminating;
    bool is_host_network;
    bool has_proxy; /* a container or init container outrigger-proxy */
};

/* Fills what is the kind's own; `object` has been read. Complaints go to the field's reading. */
void pod_read(const struct field *root, struct object *object);

/* The number of the container port of that name; 0 when there is none. */
uint16_t pod_named_port(const struct pod *pod, const char *name);

#endif

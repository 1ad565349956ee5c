/*
 * A Service: the addresses and ports by which it is dialled, and what stands behind them.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_SERVICE_H
#define OUTRIGGER_CONTROLLER_OBJECTS_SERVICE_H

#include "controller/objects/annotations.h"
#include "controller/objects/field.h"
#include "controller/objects/object.h"
#include "controller/objects/value.h"

struct service_port {
    const char *name;         /* or "" */
    const char *app_protocol; /* or "" */
    const char *target_name;  /* of a container port; "" when target_port says it */
    uint16_t target_port;     /* 0 when target_name says it */
    uint16_t port;            /* TCP */
};

struct service {
    struct object object;
    struct annotations annotations;
    struct labels selector; /* of pods; empty: only EndpointSlices say where it is */
    struct ips addresses;   /* cluster IPs first, then external and load balancer ones */
    const struct service_port *ports;
    size_t n_ports;
    bool publishes_not_ready;
};

/* Fills what is the kind's own; `object` has been read. Complaints go to the field's reading. */
void service_read(const struct field *root, struct object *object);

/* By number; NULL when it has no such port. */
const struct service_port *service_port_by_number(const struct service *service, uint16_t port);

/* By its name, or by its number when it has no name, as Endpoints resources are named; or NULL. */
const struct service_port *service_port_by_key(const struct service *service, struct slice key);

#endif

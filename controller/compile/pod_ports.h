/*
 * The ports of a pod and what is spoken on them, as the pod itself, its annotations and the
 * Services in front of it say.
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_POD_PORTS_H
#define OUTRIGGER_CONTROLLER_COMPILE_POD_PORTS_H

#include "controller/compile/context.h"
#include "controller/compile/effective.h"
#include "controller/objects/service.h"
#include "proto/resources.pb-c.h"

struct pod_port {
    uint16_t port;
    Outrigger__V1__Protocol protocol;
};

struct pod_ports {
    const struct pod_port *list; /* by port, no port twice */
    size_t n;
};

/*
 * All ports of which anything is known: those of the containers, those that a Service sends to,
 * those that are opaque and those with an mTLS mode of their own. Lives in the compilation's arena.
 */
struct pod_ports pod_ports_of(struct compile *compile, const struct effective *effective);

/* UNSPECIFIED for a port that is not in the list. */
Outrigger__V1__Protocol pod_ports_protocol(struct pod_ports ports, uint16_t port);

/* The port of the pod to which a Service's port leads; 0 when the pod has none of that name. */
uint16_t pod_ports_target(const struct pod *pod, const struct service_port *port);

/* What a Service says of one of its ports: opaque, or by appProtocol or name. */
Outrigger__V1__Protocol service_port_protocol(const struct service *service,
                                              const struct service_port *port);

#endif

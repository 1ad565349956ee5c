/*
 * The Endpoints resource `namespace/service/port[/subset]`, where `port` is the name of the
 * Service's port, or its number when it has no name, and `subset` is `ipv4` or `ipv6`: the
 * addresses of that family are preferred, where a pod has both. Without it those of the family of
 * the Service's first address are.
 *
 * The EndpointSlices of the Service decide; where it has none, its selector does, as the
 * endpoint-slice controller of Kubernetes would.
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_ENDPOINTS_H
#define OUTRIGGER_CONTROLLER_COMPILE_ENDPOINTS_H

#include "controller/compile/context.h"
#include "controller/objects/service.h"
#include "proto/resources.pb-c.h"

/*
 * NULL when there is no such Service or port, or when memory is short (see compile->is_short). The
 * message lives in the compilation's arena.
 */
ProtobufCMessage *endpoints_compile(struct compile *compile, struct slice name);

/* The name of the Endpoints for calls of that port by an address of that family. */
char *endpoints_name(struct compile *compile, const struct service *service,
                     const struct service_port *port, int family);

#endif

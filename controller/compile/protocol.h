/*
 * What is spoken on a port, as far as somebody said it. Pure.
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_PROTOCOL_H
#define OUTRIGGER_CONTROLLER_COMPILE_PROTOCOL_H

#include "proto/resources.pb-c.h"

/*
 * From a port's appProtocol, or else from its name, which is a protocol or begins with one and a
 * '-': "http", "grpc-web", "mysql-main". Case does not matter. UNSPECIFIED when neither says
 * anything that is known, so that the proxy finds out.
 */
Outrigger__V1__Protocol protocol_of_port(const char *app_protocol, const char *port_name);

#endif

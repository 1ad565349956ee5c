/*
 * The Service resource `address:port` (`[address]:port` for IPv6): what an application dialled,
 * which is a Service by one of its addresses, or a pod by its own.
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_DIALLED_H
#define OUTRIGGER_CONTROLLER_COMPILE_DIALLED_H

#include "controller/compile/context.h"
#include "proto/resources.pb-c.h"

/*
 * NULL when nothing is known of the address, or when memory is short (see compile->is_short). The
 * message lives in the compilation's arena.
 */
ProtobufCMessage *dialled_compile(struct compile *compile, struct slice name);

#endif

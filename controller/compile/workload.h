/*
 * The Workload resource `namespace/pod`: what a proxy must know about the pod it stands in.
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_WORKLOAD_H
#define OUTRIGGER_CONTROLLER_COMPILE_WORKLOAD_H

#include "controller/compile/context.h"
#include "controller/objects/pod.h"
#include "proto/resources.pb-c.h"

/*
 * NULL when there is no such pod, or when memory is short (see compile->is_short). `*pod` is the
 * pod that was found. The message lives in the compilation's arena.
 */
ProtobufCMessage *workload_compile(struct compile *compile, struct slice name,
                                   const struct pod **pod);

#endif

/*
 * Whose tokens the clients of a workload may show, as the proxy is told it.
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_JWT_H
#define OUTRIGGER_CONTROLLER_COMPILE_JWT_H

#include "controller/compile/context.h"
#include "controller/objects/traffic_jwt.h"
#include "proto/resources.pb-c.h"

/* Fills `jwt` of the workload; nothing where the policies say nothing of it. */
void compile_jwt(struct compile *compile, const struct traffic_jwt *jwt,
                 Outrigger__V1__Workload *workload);

#endif

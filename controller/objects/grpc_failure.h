/* gRPC's status codes of failures, as people write them in manifests: "Unavailable". */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_GRPC_FAILURE_H
#define OUTRIGGER_CONTROLLER_OBJECTS_GRPC_FAILURE_H

#include "controller/objects/field.h"

/* 1-16, or 0 when the field is absent; complains of what is no name of a failure. */
uint32_t grpc_failure_read(const struct field *field);

/* 1-16, or 0 when it is the name of none. */
uint32_t grpc_failure_parse(struct slice name);

#endif

#include "controller/objects/grpc_failure.h"

/* From 1; OK is no failure. */
static const char *const names[] = {
    "Cancelled",          "Unknown",       "InvalidArgument",  "DeadlineExceeded",
    "NotFound",           "AlreadyExists", "PermissionDenied", "ResourceExhausted",
    "FailedPrecondition", "Aborted",       "OutOfRange",       "Unimplemented",
    "Internal",           "Unavailable",   "DataLoss",         "Unauthenticated",
};
#define N_NAMES (sizeof(names) / sizeof(names[0]))

uint32_t grpc_failure_read(const struct field *field)
{
    return (uint32_t)(field_choice(field, names, N_NAMES) + 1);
}

uint32_t grpc_failure_parse(struct slice name)
{
    for (uint32_t i = 0; i < N_NAMES; i++)
        if (slice_eq_str(name, names[i]))
            return i + 1;
    return 0;
}

/*
 * An HTTPFilter (outrigger.dev/v1alpha1): what a route does to requests that the Gateway API has no
 * filter for. Routes of its namespace name it with a filter of type ExtensionRef. It says one of
 * two: an answer given in place of the backend's, or a fault that callers are to be tried with.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_HTTP_FILTER_H
#define OUTRIGGER_CONTROLLER_OBJECTS_HTTP_FILTER_H

#include "controller/objects/field.h"
#include "controller/objects/object.h"

#define HTTP_FILTER_GROUP "outrigger.dev"
#define HTTP_FILTER_KIND  "HTTPFilter"

struct http_direct_response {
    uint16_t status;
    const char *body, *content_type; /* "" where not set */
};

struct http_fault {
    uint64_t delay_ms;
    uint16_t abort_status;                       /* 0: no abort */
    uint32_t abort_grpc_status;                  /* 0: what follows from `abort_status` */
    uint32_t delay_millionths, abort_millionths; /* of the requests */
};

struct http_filter {
    struct object object;
    bool is_fault; /* else a direct response */
    union {
        struct http_direct_response direct_response;
        struct http_fault fault;
    };
};

/* Fills what is the kind's own; `object` has been read. Complaints go to the field's reading. */
void http_filter_read(const struct field *root, struct object *object);

#endif

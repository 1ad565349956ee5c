/*
 * An HTTPRoute, GRPCRoute (gateway.networking.k8s.io/v1) or TCPRoute (v1alpha2) as far as a mesh
 * goes: attached to Services (GAMMA), saying where their traffic goes. The three are read into one
 * form: a GRPCRoute's service and method are a path, a TCPRoute's rule has no matches.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_ROUTE_H
#define OUTRIGGER_CONTROLLER_OBJECTS_ROUTE_H

#include "controller/objects/field.h"
#include "controller/objects/object.h"
#include "controller/objects/value.h"

#define ROUTE_RULES_MAX    16 /* as the Gateway API bounds them */
#define ROUTE_MATCHES_MAX  64 /* of a rule */
#define ROUTE_BACKENDS_MAX 16
#define ROUTE_FILTERS_MAX  16
#define ROUTE_PARENTS_MAX  32

/* To what a route is attached. */
struct route_parent {
    bool is_service;       /* else a Gateway or the like: not ours, and left alone */
    const char *namespace; /* the route's own unless it was said */
    const char *name;
    const char *section; /* name of the Service's port; "": any */
    uint16_t port;       /* 0: all ports of the Service */
};

/* The values of these are those of proto/resources.proto. */
enum route_path { ROUTE_PATH_ANY, ROUTE_PATH_EXACT, ROUTE_PATH_PREFIX, ROUTE_PATH_REGEX };
enum route_value_kind { ROUTE_VALUE_PRESENT, ROUTE_VALUE_EXACT, ROUTE_VALUE_REGEX };
enum route_path_edit { ROUTE_EDIT_NONE, ROUTE_EDIT_WHOLE, ROUTE_EDIT_PREFIX };

struct route_value {
    const char *name; /* of a header: in lower case */
    enum route_value_kind kind;
    const char *value;
};

struct route_values {
    const struct route_value *list;
    size_t n;
};

struct route_match {
    enum route_path path_kind;
    const char *path;   /* "" with ANY */
    const char *method; /* ""; not of a GRPCRoute, whose method is in the path */
    struct route_values headers, query;
    /* Of a GRPCRoute: the lengths of service and method, by which it goes before others. */
    size_t grpc_service_len, grpc_method_len;
};

struct route_field {
    const char *name; /* in lower case */
    const char *value;
};

struct route_fields {
    const struct route_field *list;
    size_t n;
};

struct route_backend {
    bool is_service; /* else a kind that a mesh cannot send to */
    const char *kind;
    const char *namespace; /* the route's own unless it was said */
    const char *name;
    uint16_t port; /* 0: missing */
    uint32_t weight;
    const struct route_filter *filters;
    size_t n_filters;
};

enum route_filter_kind {
    ROUTE_FILTER_REQUEST_HEADERS,
    ROUTE_FILTER_RESPONSE_HEADERS,
    ROUTE_FILTER_REDIRECT,
    ROUTE_FILTER_REWRITE,
    ROUTE_FILTER_MIRROR,
    ROUTE_FILTER_CORS,
    ROUTE_FILTER_EXTENSION,
};

struct route_header_edit {
    struct route_fields set, add;
    struct texts remove;
};

struct route_redirect {
    const char *scheme, *host; /* "" where not set */
    uint16_t port, status;
    enum route_path_edit path_edit;
    const char *path;
};

struct route_rewrite {
    const char *host;
    enum route_path_edit path_edit;
    const char *path;
};

struct route_mirror {
    struct route_backend backend;
    uint32_t millionths;
};

struct route_cors {
    struct texts origins, methods, headers, expose_headers;
    bool allow_credentials;
    uint32_t max_age_sec;
};

/* An object of the route's namespace that says what is done. */
struct route_extension {
    const char *group, *kind, *name;
};

struct route_filter {
    enum route_filter_kind kind;
    union {
        struct route_header_edit headers;
        struct route_redirect redirect;
        struct route_rewrite rewrite;
        struct route_mirror mirror;
        struct route_cors cors;
        struct route_extension extension;
    };
};

struct route_retry {
    bool is_set;
    uint32_t attempts;
    const uint16_t *statuses;
    size_t n_statuses;
    uint64_t backoff_ms;
};

struct route_rule {
    const char *name; /* or "" */
    const struct route_match *matches;
    size_t n_matches; /* 0: everything */
    const struct route_filter *filters;
    size_t n_filters;
    const struct route_backend *backends;
    size_t n_backends;
    uint64_t request_timeout_ms, backend_timeout_ms; /* 0: none */
    struct route_retry retry;
    const char *problem; /* why the rule cannot have any effect; "" when it can */
};

struct route {
    struct object object;
    const struct route_parent *parents;
    size_t n_parents;
    const struct route_rule *rules;
    size_t n_rules;
};

static inline bool object_is_route(const struct object *object)
{
    return object->kind == OBJECT_HTTP_ROUTE || object->kind == OBJECT_GRPC_ROUTE ||
           object->kind == OBJECT_TCP_ROUTE;
}

/* Fills what is the kind's own; `object` has been read. Complaints go to the field's reading. */
void route_read(const struct field *root, struct object *object);

/* Is there a rule that can have an effect? */
bool route_has_effect(const struct route *route);

#endif

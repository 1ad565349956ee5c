/*
 * What a route does to requests and answers, besides choosing a backend: checked and turned into
 * what the steps of the corridor apply. Immutable; lies in the arena of its routes.
 */
#ifndef OUTRIGGER_PROXY_ROUTE_FILTERS_H
#define OUTRIGGER_PROXY_ROUTE_FILTERS_H

#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/http/head.h"
#include "common/slice.h"
#include "proto/resources.pb-c.h"

#define FILTERS_MAX 64 /* of one rule or backend */

struct header_edit {
    const struct field *set, *add; /* names in lower case */
    const struct slice *remove;
    size_t n_set, n_add, n_remove;
};

enum path_edit { PATH_EDIT_NONE, PATH_EDIT_WHOLE, PATH_EDIT_PREFIX };

struct redirect {
    struct slice scheme, host; /* empty: as asked for */
    uint16_t port;             /* 0: as asked for, or the new scheme's own */
    uint16_t status;
    enum path_edit path_edit;
    struct slice path;
};

struct rewrite {
    struct slice host; /* empty: stays */
    enum path_edit path_edit;
    struct slice path;
};

struct mirror_rule {
    const char *endpoints, *service; /* "" where there is none: nothing is sent */
    uint32_t millionths;
};

struct cors {
    const struct slice *origins;
    size_t n_origins;
    bool allow_credentials;
    struct slice methods, headers, expose_headers, max_age; /* as they stand in the answer */
    bool any_method, any_header;                            /* `*` is among them */
};

struct direct_response {
    uint16_t status;
    struct slice body, content_type;
};

struct fault {
    uint64_t delay_ms;
    uint32_t delay_millionths;
    uint16_t abort_status; /* 0: no abort */
    int abort_grpc_status; /* 0: from abort_status */
    uint32_t abort_millionths;
};

enum filter_kind {
    FILTER_REQUEST_HEADERS,
    FILTER_RESPONSE_HEADERS,
    FILTER_REDIRECT,
    FILTER_REWRITE,
    FILTER_MIRROR,
    FILTER_CORS,
    FILTER_DIRECT_RESPONSE,
    FILTER_FAULT,
};

const char *filter_kind_name(enum filter_kind kind); /* "request_headers" */

struct filter {
    enum filter_kind kind;
    union {
        struct header_edit headers;
        struct redirect redirect;
        struct rewrite rewrite;
        struct mirror_rule mirror;
        struct cors cors;
        struct direct_response direct_response;
        struct fault fault;
    };
};

struct filters {
    const struct filter *list; /* in the order in which they are applied */
    size_t n;
};

/*
 * From the wire. False with `err` naming the field ("filters[2].redirect.status: ..."): of a kind
 * that this version does not know as well, because a request that was to be edited must not go on
 * as it came.
 */
bool filters_build(struct filters *filters, struct Outrigger__V1__RouteFilter *const *messages,
                   size_t n, struct arena *arena, struct err *err) MUST_USE;

/* Sets, then adds, then removes, as the Gateway API orders them. False: memory is short. */
bool header_edit_apply(const struct header_edit *edit, struct head *head) MUST_USE;

/*
 * The path with its query after the edit. `prefix` is what the route's match covered ("" for all).
 * NULL-pointer slice when memory is short.
 */
struct slice path_edit_apply(enum path_edit edit, struct slice path, struct slice query,
                             struct slice prefix, struct slice replacement, struct arena *arena);

/* The value of Location. `authority` is the request's; the scheme that was asked for is http. */
struct slice redirect_location(const struct redirect *redirect, struct slice authority,
                               struct slice path, struct slice query, struct slice prefix,
                               struct arena *arena);

/* May this origin? Exact, or with one star: alone, or for what is below a name (Gateway API, CORS).
 */
bool cors_allows(const struct cors *cors, struct slice origin);

#endif

/*
 * The routes of a Service resource, checked and turned into what a request is compared with. Part
 * of one immutable service and living as long; everything lies in one arena of its own but the
 * compiled expressions.
 */
#ifndef OUTRIGGER_PROXY_ROUTE_ROUTES_H
#define OUTRIGGER_PROXY_ROUTE_ROUTES_H

#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/map.h"
#include "common/regex.h"
#include "proto/resources.pb-c.h"
#include "proxy/route/filters.h"

#define ROUTES_MAX_RULES   10000
#define ROUTES_MAX_MATCHES 20000

enum path_kind { PATH_ANY, PATH_EXACT, PATH_PREFIX, PATH_REGEX };
enum value_kind { VALUE_PRESENT, VALUE_EXACT, VALUE_REGEX };

struct route_value {
    struct slice name; /* of a header: in lower case */
    enum value_kind kind;
    struct slice value;
    struct regex *regex; /* of REGEX */
};

struct route_match {
    const struct route_rule *rule;
    enum path_kind path_kind;
    struct slice path;        /* of PREFIX without the '/' at its end: "" is for every path */
    struct regex *path_regex; /* of REGEX */
    struct slice method;      /* empty: any */
    const struct route_value *headers, *query;
    size_t n_headers, n_query;
    const struct route_match *next_same_path; /* of the same kind and path, later in the order */
};

/* Which statuses and ends of an attempt make another one worth while. */
struct retry_rules {
    uint32_t attempts; /* beyond the first; 0: none but what is safe to hide */
    const uint16_t *statuses;
    size_t n_statuses;
    uint32_t grpc_codes; /* bit set */
    bool on_connect_failure, on_reset;
    uint64_t backoff_ms, backoff_max_ms;
};

struct route_backend {
    const char *endpoints; /* name of an Endpoints resource; "": there is none, see `why` */
    const char *service;   /* namespace/service */
    const char *why;       /* "" where there are endpoints */
    uint64_t weight_end;   /* sum of the weights up to and with this one */
    struct filters filters;
};

struct route_rule {
    const char *name; /* KIND/NAMESPACE/NAME/RULE */
    struct filters filters;
    const struct route_backend *backends;
    size_t n_backends;
    uint64_t request_timeout_ms, backend_timeout_ms; /* 0: none */
    struct retry_rules retry;
};

struct routes {
    struct arena arena;
    const struct route_rule *rules;
    size_t n_rules;
    const struct route_match *matches; /* in the order of precedence: the first that fits decides */
    size_t n_matches;
    struct map exact, prefix;        /* path -> the first struct route_match of it */
    size_t longest_prefix;           /* bytes */
    const struct route_match **rest; /* of any path and of expressions, in order */
    size_t n_rest;
    uint32_t budget_percent, budget_min_per_second;
};

/* Fills empty routes. False with `err` naming the field; routes_fini() is called in any case. */
bool routes_build(struct routes *routes, const struct Outrigger__V1__Service *message,
                  struct err *err) MUST_USE;
void routes_fini(struct routes *routes);

/* Every name of an Endpoints resource in the rule, some more than once, until `each` says false. */
bool route_rule_each_reference(const struct route_rule *rule,
                               bool (*each)(void *context, const char *endpoints), void *context);
size_t route_rule_n_references(const struct route_rule *rule);

/*
 * The backend for a random number: each has a share of its weight in the sum. NULL when the rule
 * has none, or the sum is 0.
 */
const struct route_backend *route_backend_choose(const struct route_rule *rule, uint64_t random);

#endif

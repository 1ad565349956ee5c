/*
 * Who outside of the proxy is asked about a request to the pod: an authorizer (Envoy's
 * ext_authz), and a service that counts for all pods together (Envoy's rate limit service). Pure:
 * what is asked, of which requests, and what of an answer may be followed.
 */
#ifndef OUTRIGGER_PROXY_POLICY_EXTERNAL_RULES_H
#define OUTRIGGER_PROXY_POLICY_EXTERNAL_RULES_H

#include "common/arena.h"
#include "common/http/head.h"
#include "proto/resources.pb-c.h"
#include "proxy/policy/access.h"

struct external_service {
    const char *policy;    /* namespace/name; NULL: nobody is asked */
    const char *service;   /* namespace/service:port */
    const char *endpoints; /* name of an Endpoints resource; "": not known */
    const char *why;       /* likewise; or "" */
    uint64_t timeout_ms;
    struct access_policies *match; /* one Allow, of the requests that it is for; NULL: all */
};

struct external_authorization {
    struct arena arena; /* of all texts and lists */
    struct external_service service;
    bool is_understood; /* false: everything is refused */
    bool is_fail_open;
    const char *
        *headers; /* that the application may get: in lower case, maybe with `*` at the end */
    size_t n_headers;
};

enum limit_value {
    ENTRY_VALUE,
    ENTRY_HEADER,
    ENTRY_IDENTITY,
    ENTRY_SOURCE,
    ENTRY_METHOD,
    ENTRY_PATH
};

struct limit_entry {
    const char *key;
    enum limit_value from;
    const char *value;
};

struct limit_descriptor {
    struct limit_entry *entries;
    size_t n;
};

struct global_limits {
    struct arena arena;
    struct external_service service;
    bool is_fail_closed;
    const char *domain;
    struct limit_descriptor *descriptors;
    size_t n;
};

/* Each fills what is empty; `message` NULL: nobody is asked. False with `err` naming the field; the
 * fini in any case. */
bool external_authorization_build(struct external_authorization *rules,
                                  const Outrigger__V1__ExternalAuthorization *message,
                                  struct err *err) MUST_USE;
void external_authorization_fini(struct external_authorization *rules);
bool global_limits_build(struct global_limits *limits, const Outrigger__V1__GlobalLimits *message,
                         struct err *err) MUST_USE;
void global_limits_fini(struct global_limits *limits);

/* Is it asked about such a request? Also where that cannot be said. */
bool external_is_asked(const struct external_service *service, const struct access_request *asked);
/* Does what it is asked about depend on the path? */
bool external_reads_paths(const struct external_service *service);

/* May the authorizer write this field? `name` in lower case. Never what the mesh itself says. */
bool external_authorization_may_write(const struct external_authorization *rules,
                                      struct slice name);
/* Removes what only the authorizer may write, also what applications take for the same. */
void external_authorization_strip(const struct external_authorization *rules, struct head *head);

/*
 * The value of an entry for a request; empty when it has none, which leaves out its descriptor.
 * `source`: the client's IP address.
 */
struct slice limit_entry_value(const struct limit_entry *entry,
                               const struct access_request *request, struct slice source);

#endif

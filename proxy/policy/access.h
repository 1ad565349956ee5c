/*
 * Authorization: who may connect to which port, and ask what of it. Pure: policies and a request
 * in, a verdict and the names that decided it out.
 *
 * Order: a Deny that matches refuses. Each Audit that matches is noted, as what a Deny would have
 * refused. Then, if there is any Allow policy whose `to` covers the port (or has no `to`), one of
 * them must match; the other conditions of a `to` have no part in whether it covers. Else the
 * default decides.
 * A policy whose action, or a rule whose condition, is not understood acts as a Deny of everything,
 * with the reason ACCESS_NOT_UNDERSTOOD.
 *
 * Conditions on the request (methods, paths, hosts, gRPC methods, headers) fail closed where there
 * is no request to look at, because what is spoken is not HTTP or could not be told to be: an Allow
 * does not match, a Deny or an Audit matches as if they were met. So a client gains nothing by
 * hiding from the detection of protocols.
 */
#ifndef OUTRIGGER_PROXY_POLICY_ACCESS_H
#define OUTRIGGER_PROXY_POLICY_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cidr.h"
#include "common/err.h"
#include "common/http/head.h"
#include "common/slice.h"

enum default_access { ACCESS_DEFAULT_ALLOW, ACCESS_DEFAULT_DENY, ACCESS_DEFAULT_AUDIT };

struct access_policies; /* immutable; owned by the workload that it was built for */

struct access_request {
    struct slice identity; /* the peer's verified SPIFFE ID; empty: unauthenticated */
    struct ip source;
    uint16_t port; /* destination port of the connection */
    /*
     * The request as the application will see it, after all that is set and removed on the way:
     * each field of a name is looked at by itself, as one value. NULL: the connection is not HTTP.
     */
    const struct head *head;
    struct slice path; /* of the head, in normal form (proxy/route/path.h), without the query */
};

/* Name, text, is it a refusal. */
#define ACCESS_WHYS(X)                                                                             \
    X(ACCESS_BY_ALLOW, "allow_policy", false)                                                      \
    X(ACCESS_BY_DEFAULT, "default_allow", false)                                                   \
    X(ACCESS_BY_DEFAULT_AUDIT, "default_audit", false)                                             \
    X(ACCESS_DENIED_BY_POLICY, "deny_policy", true)                                                \
    X(ACCESS_NOT_ALLOWED, "no_allow_policy_matched", true)                                         \
    X(ACCESS_DENIED_BY_DEFAULT, "default_deny", true)                                              \
    X(ACCESS_NOT_UNDERSTOOD, "policy_not_understood", true)

enum access_why {
#define X(name, text, is_refusal) name,
    ACCESS_WHYS(X)
#undef X
};

struct access_verdict {
    bool is_allowed;
    enum access_why why;
    /*
     * namespace/name of the policy that decided; for ACCESS_NOT_ALLOWED the first Allow policy that
     * applied and did not match; NULL when the default decided. Lives as long as the policies.
     */
    const char *policy;
    const char *audit_policy; /* the first Audit that matched, or NULL; also by default_audit: "" */
};

const char *access_why_name(enum access_why why);

/* The protobuf message array of outrigger.v1.Workload.access_policies. */
struct Outrigger__V1__AccessPolicy;
struct access_policies *access_build(struct Outrigger__V1__AccessPolicy *const *policies, size_t n,
                                     enum default_access default_access, struct err *err);
void access_free(struct access_policies *policies);

struct access_verdict access_check(const struct access_policies *policies,
                                   const struct access_request *request);

enum access_outlook {
    ACCESS_NEVER,   /* no request can be allowed: refuse the connection */
    ACCESS_ALWAYS,  /* each request would be told the same as in the verdict */
    ACCESS_DEPENDS, /* each request is to be checked */
};

/*
 * Of an HTTP connection none of whose requests has been read; `head` and `path` are not looked at.
 * The verdict is set unless it depends; it and that of a request may differ in the name of the
 * policy when several would do.
 */
enum access_outlook access_check_connection(const struct access_policies *policies,
                                            const struct access_request *request,
                                            struct access_verdict *verdict);

size_t access_count(const struct access_policies *policies);
/* Whether some policy looks at paths or gRPC methods, or is not understood and so may. */
bool access_reads_paths(const struct access_policies *policies);
/* JSON of all policies as they are understood, for /policies. A new reference, or NULL. */
struct json_t;
struct json_t *access_describe(const struct access_policies *policies);

#endif

/*
 * What would become of a request, step by step as the corridor goes: what each step looks at, what
 * it finds, and which object says so. By the same functions that decide about requests, on the
 * configuration that holds now; nothing is sent, counted or taken from a limit.
 */
#ifndef OUTRIGGER_PROXY_ADMIN_EXPLAIN_H
#define OUTRIGGER_PROXY_ADMIN_EXPLAIN_H

#include "common/cidr.h"
#include "common/http/head.h"
#include "proxy/snapshot.h"

struct explain_request {
    bool is_inbound;
    struct sockaddr_any destination; /* inbound: of the pod; outbound: as the application dials */
    struct slice identity;           /* inbound: of who asks; empty: none */
    struct ip source;                /* inbound */
    struct head *head;               /* method, authority, path with query, fields */
};

struct json_t;
/* {"verdict": ..., "steps": [{"step": ..., "says": ...}, ...]}; a new reference, or NULL. */
struct json_t *explain(const struct snapshot *snapshot, const struct explain_request *request);

#endif

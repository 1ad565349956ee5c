/*
 * Does one rule match one request? For the files of this folder only. Pure.
 */
#ifndef OUTRIGGER_PROXY_POLICY_ACCESS_MATCH_H
#define OUTRIGGER_PROXY_POLICY_ACCESS_MATCH_H

#include "common/spiffe.h"
#include "proxy/policy/access_types.h"

/* In this order, so that the greatest of several is what any of them can give. */
enum access_answer {
    ACCESS_NO,
    ACCESS_MAYBE, /* it depends on the request */
    ACCESS_YES,
};

/* A request with its identity and its host taken apart once. */
struct access_peer {
    const struct access_request *request;
    struct spiffe_id id; /* empty slices without an identity */
    struct slice host;   /* without port and final dot; may be empty */
};

/* False when the request has an identity that cannot be read. */
bool access_peer_init(struct access_peer *peer, const struct access_request *request) MUST_USE;

/*
 * `headless` is what conditions on a request answer when there is none; without it the head of the
 * peer's request is not looked at. Never ACCESS_MAYBE unless `headless` is.
 */
enum access_answer access_rule_matches(const struct access_rule *rule,
                                       const struct access_peer *peer,
                                       const enum access_answer *headless);

/* Whether one of the ranges has the port. */
bool access_has_port(const struct access_ranges *ranges, uint16_t port);

#endif

/* Balancers over endpoints that stand in a table, for the tests of choosing. */
#ifndef OUTRIGGER_TEST_BALANCER_RIG_H
#define OUTRIGGER_TEST_BALANCER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/clock.h"
#include "proto/resources.pb-c.h"
#include "proxy/balance/balancer.h"
#include "proxy/balance/consistent.h"
#include "test/unit/proxy/pack.h"

#define MAX_ENDPOINTS 8

struct row {
    unsigned host; /* of 10.0.0.0/24; 0 ends the list */
    unsigned weight;
    enum health health;
};

static inline struct endpoints *make(const struct row *rows)
{
    static const int healths[] = {1, 2, 3};
    Outrigger__V1__Endpoints message = OUTRIGGER__V1__ENDPOINTS__INIT;
    Outrigger__V1__Endpoint list[MAX_ENDPOINTS], *pointers[MAX_ENDPOINTS];
    char addresses[MAX_ENDPOINTS][IP_TEXT_BYTES], name[] = "a/b/80";
    struct err err;
    size_t n = 0;
    for (; rows[n].host; n++) {
        snprintf(addresses[n], sizeof(addresses[n]), "10.0.0.%u", rows[n].host);
        list[n] = (Outrigger__V1__Endpoint)OUTRIGGER__V1__ENDPOINT__INIT;
        list[n].address = addresses[n];
        list[n].port = 80;
        list[n].weight = rows[n].weight;
        list[n].health = (Outrigger__V1__Health)healths[rows[n].health];
        pointers[n] = &list[n];
    }
    message.name = name;
    message.endpoints = pointers;
    message.n_endpoints = n;
    struct slice bytes = pack(&message);
    struct endpoints *endpoints = endpoints_build(bytes, slice_str(name), slice_str("1"), &err);
    assert_non_null(endpoints);
    free((char *)bytes.ptr);
    return endpoints;
}

static inline struct balancer *balancer_of(enum balance kind, const struct row *rows, uint64_t seed)
{
    struct endpoints *endpoints = make(rows);
    struct balancer *made = balancer_new(endpoints, kind, seed);
    assert_non_null(made);
    endpoints_drop(endpoints); /* the balancer holds it */
    return made;
}

static inline struct balancer *balancer(const struct row *rows, uint64_t seed)
{
    return balancer_of(BALANCE_CONNECTIONS, rows, seed);
}

static inline void update(struct balancer *b, const struct row *rows)
{
    struct endpoints *endpoints = make(rows);
    assert_true(balancer_update(b, endpoints));
    assert_ptr_equal(balancer_endpoints(b), endpoints);
    endpoints_drop(endpoints);
}

static inline void use(struct balancer *b, enum balance_algorithm algorithm)
{
    balancer_use(b, &(struct balance_rules){.algorithm = algorithm}, NULL);
}

static inline unsigned host_of(const struct balanced *balanced)
{
    return addr_ip(&balanced_endpoint(balanced)->addr).bytes[3];
}

/* Takes `n` times one after another; each connects in latency_ms[host] and is given back. */
static inline void run(struct balancer *b, unsigned n, const uint64_t *latency_ms, uint64_t *now_ns,
                       unsigned *counts)
{
    for (unsigned i = 0; i < n; i++) {
        struct balanced *taken = balancer_take(b, NULL, 0, *now_ns);
        assert_non_null(taken);
        unsigned host = host_of(taken);
        *now_ns += NS_PER_MS;
        balanced_connected(taken, latency_ms[host] * NS_PER_MS, *now_ns);
        counts[host]++;
        balanced_give(taken);
    }
}

#endif

// fuzz: proxy
/* Any bytes as a Endpoints resource: refused with a reason, or made into something that can be
 * read. */
#include <stdint.h>
#include <stdlib.h>

#include "proto/resources.pb-c.h"
#include "proxy/config/endpoints.h"
#include "proxy/balance/balancer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct endpoints *build(const uint8_t *data, size_t size, struct err *err)
{
    Outrigger__V1__Endpoints *message = outrigger__v1__endpoints__unpack(NULL, size, data);
    struct endpoints *endpoints = endpoints_build(
        slice_of(data, size), slice_str(message ? message->name : ""), SLICE_LITERAL("1"), err);
    if (message)
        outrigger__v1__endpoints__free_unpacked(message, NULL);
    return endpoints;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {""};
    struct endpoints *endpoints = build(data, size, &err);
    if (!endpoints) {
        if (!err.text[0])
            abort();
        return 0;
    }
    struct balancer *balancer = balancer_new(endpoints, BALANCE_CONNECTIONS, size);
    for (uint64_t now = 1; balancer && now < 5; now++) {
        struct balanced *balanced = balancer_take(balancer, NULL, 0, now * 1000000000);
        if (!balanced)
            continue;
        if (balanced_endpoint(balanced)->health == HEALTH_DRAINING)
            abort();
        balanced_failed(balanced, UINT64_MAX >> now, now * 1000000000);
        balanced_connected(balanced, now, now * 2000000000);
        balanced_give(balanced);
    }
    balancer_free(balancer);
    endpoints_drop(endpoints);
    return 0;
}

#include "proxy/config/endpoints.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "common/map.h"
#include "common/spiffe.h"
#include "proto/resources.pb-c.h"
#include "proxy/config/endpoint.h"
#include "proxy/wire.h"

#define ENDPOINTS_MAX 65536

const char *health_name(enum health health)
{
    static const char *const names[] = {"healthy", "unhealthy", "draining"};
    return names[health];
}

/* A state that this version does not know is not trusted with traffic while others are healthy. */
static enum health endpoint_health(int health)
{
    switch (health) {
    case OUTRIGGER__V1__HEALTH__HEALTH_UNSPECIFIED:
    case OUTRIGGER__V1__HEALTH__HEALTHY:
        return HEALTH_HEALTHY;
    case OUTRIGGER__V1__HEALTH__DRAINING:
        return HEALTH_DRAINING;
    default:
        return HEALTH_UNHEALTHY;
    }
}

/* What can be connected to: :: and 0.0.0.0 mean this host to connect(2), multicast means nobody. */
static bool endpoint_address_ok(const struct ip *ip)
{
    static const uint8_t zero[16];
    if (ip->family == AF_INET)
        return memcmp(ip->bytes, zero, 4) != 0 && ip->bytes[0] < 224;
    return memcmp(ip->bytes, zero, 16) != 0 && ip->bytes[0] != 0xff;
}

bool endpoint_init(struct endpoint *endpoint, const struct Outrigger__V1__Endpoint *message,
                   struct err *err)
{
    struct ip ip;
    struct spiffe_id id;
    *endpoint = (struct endpoint){0};
    if (!ip_parse(slice_str(message->address), &ip) || !endpoint_address_ok(&ip))
        return err_set(err, "address: \"%.64s\" is not the IP address of a host", message->address);
    if (!wire_port(message->port, "port", err) ||
        !wire_at_most(message->weight, WIRE_MAX_WEIGHT, "weight", err))
        return false;
    if (*message->identity && !spiffe_parse(slice_str(message->identity), &id, err))
        return err_prefix(err, "identity");
    endpoint->addr = addr_make(&ip, (uint16_t)message->port);
    addr_format(&endpoint->addr, endpoint->addr_text);
    endpoint->weight = message->weight ? message->weight : 1;
    endpoint->health = endpoint_health(message->health);
    endpoint->identity = strdup(message->identity);
    if (!endpoint->identity)
        return err_set(err, "identity: out of memory");
    return (endpoint->zone = wire_text(message->zone, "zone", err)) &&
           (endpoint->pod = wire_text(message->pod, "pod", err)) &&
           (endpoint->workload = wire_text(message->workload, "workload", err));
}

static void endpoint_fini(struct endpoint *endpoint)
{
    free(endpoint->zone);
    free(endpoint->identity);
    free(endpoint->pod);
    free(endpoint->workload);
}

struct endpoints *endpoints_new(struct slice name, struct slice version, size_t n)
{
    struct endpoints *endpoints = calloc(1, sizeof(*endpoints));
    if (!endpoints)
        return NULL;
    atomic_init(&endpoints->refs, 1);
    endpoints->name = strndup(name.len ? name.ptr : "", name.len);
    endpoints->version = strndup(version.len ? version.ptr : "", version.len);
    endpoints->list = calloc(n ? n : 1, sizeof(struct endpoint));
    if (endpoints->name && endpoints->version && endpoints->list)
        return endpoints;
    endpoints_drop(endpoints);
    return NULL;
}

/* Fills the list. An address that stands there twice would get twice its share. */
static bool endpoints_fill(struct endpoints *endpoints, const Outrigger__V1__Endpoints *message,
                           struct map *seen, struct err *err)
{
    for (size_t i = 0; i < message->n_endpoints; i++) {
        struct endpoint *endpoint = &endpoints->list[i];
        endpoints->n = i + 1; /* what is half made is freed with the rest */
        if (!endpoint_init(endpoint, message->endpoints[i], err))
            return wire_at(err, "endpoints[%zu]", i);
        struct slice key = slice_str(endpoint->addr_text);
        struct endpoint *other = map_get(seen, key);
        if (other)
            return err_set(err, "endpoints[%zu].address: %s is there twice (also endpoints[%zu])",
                           i, endpoint->addr_text, (size_t)(other - endpoints->list));
        if (!map_set(seen, key, endpoint, NULL))
            return err_set(err, "endpoints[%zu]: out of memory", i);
    }
    return true;
}

struct endpoints *endpoints_build(struct slice bytes, struct slice name, struct slice version,
                                  struct err *err)
{
    struct endpoints *endpoints = NULL;
    struct map seen = {0};
    bool ok = false;
    Outrigger__V1__Endpoints *message =
        wire_unpack(&outrigger__v1__endpoints__descriptor, bytes, err);
    if (!message)
        return NULL;
    if (!slice_eq_str(name, message->name)) {
        err_set(err, "name: \"%.200s\" is not the name that was asked for", message->name);
        goto out;
    }
    if (!wire_at_most(message->n_endpoints, ENDPOINTS_MAX, "endpoints: their number", err))
        goto out;
    endpoints = endpoints_new(name, version, message->n_endpoints);
    ok = endpoints ? endpoints_fill(endpoints, message, &seen, err) : err_set(err, "out of memory");
out:
    map_fini(&seen, NULL);
    wire_free(message);
    if (!ok && endpoints) {
        endpoints_drop(endpoints);
        endpoints = NULL;
    }
    return endpoints;
}

struct endpoints *endpoints_empty(struct slice name)
{
    return endpoints_new(name, slice_str(""), 0);
}

struct endpoints *endpoints_hold(struct endpoints *endpoints)
{
    if (endpoints)
        atomic_fetch_add_explicit(&endpoints->refs, 1, memory_order_relaxed);
    return endpoints;
}

void endpoints_drop(struct endpoints *endpoints)
{
    if (!endpoints || atomic_fetch_sub_explicit(&endpoints->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < endpoints->n; i++)
        endpoint_fini(&endpoints->list[i]);
    free(endpoints->list);
    free(endpoints->name);
    free(endpoints->version);
    free(endpoints);
}

/*
 * The balancers of one worker, by what they balance and the name of their Endpoints resource. One
 * is made when a connection or request first needs it, follows the snapshot, and goes when the
 * snapshot has it no more.
 */
#ifndef OUTRIGGER_PROXY_UPSTREAM_BALANCERS_H
#define OUTRIGGER_PROXY_UPSTREAM_BALANCERS_H

#include "common/map.h"
#include "proxy/balance/balancer.h"
#include "proxy/snapshot.h"

struct balancers {
    struct map by_name[BALANCE_KINDS]; /* -> struct balancer */
    /* NULL, or told of each address that was in an Endpoints resource and is no more. */
    void (*endpoint_gone)(void *context, const struct sockaddr_any *address);
    void *context;
};

void balancers_fini(struct balancers *balancers);

/* The balancer of `endpoints`, made if absent. NULL when memory is short. */
struct balancer *balancers_get(struct balancers *balancers, enum balance kind,
                               struct endpoints *endpoints) MUST_USE;

/*
 * One of the service's backends, by their weights: its endpoints, which the snapshot holds; NULL
 * when there is no backend or the controller has not told its endpoints.
 */
struct endpoints *balancers_choose(const struct service *service,
                                   const struct snapshot *snapshot) MUST_USE;

/* Brings all up to date. Connections that use an endpoint keep it until they end. */
void balancers_follow(struct balancers *balancers, const struct snapshot *snapshot);

/* Who is at the address has said that it goes: the others are to be asked, while there are any. */
void balancers_leaving(struct balancers *balancers, const struct sockaddr_any *address,
                       uint64_t now_ns);

/* balancer_ejected() of all. */
size_t balancers_ejected(const struct balancers *balancers, uint64_t now_ns, uint64_t *next_ns);

struct json_t;
struct json_t *balancers_describe(const struct balancers *balancers); /* new reference or NULL */

#endif

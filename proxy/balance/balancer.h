/*
 * Choosing one endpoint out of an Endpoints resource: power of two choices over a peak-EWMA of a
 * latency, multiplied by what is open (Finagle's P2C peak EWMA). What is balanced is connections,
 * whose latency is the time to connect, or requests: from asking for a connection to the head of
 * the response. One balancer belongs to one worker, one kind and one Endpoints name; it is the
 * mutable side of the configuration.
 *
 * cost(endpoint) = latency_estimate * (open + 1) / weight. Two endpoints are drawn at
 * random, and one of them is chosen with a chance inverse to its cost: what is ten times dearer
 * gets a tenth, what is equal gets half. (Always taking the less, where connect times differ by
 * noise, would send all of a quiet client's connections to one endpoint for seconds at a time.)
 * Estimates below the floor of the kind count as the floor, and an endpoint that was never tried is
 * taken to be as fast as the one it is drawn with. What is slow moves the estimate at once, what is
 * fast with a time constant of 10 s, in which it also decays. A connect failure counts as a latency
 * of the connect
 * timeout, so that what fails fast does not attract connections. UNHEALTHY endpoints are used only
 * when no healthy one is left to try, DRAINING ones never, and those that say themselves that they
 * go (balancer_leaving()) or are ejected (outlier.h) when no other healthy one is.
 *
 * Other algorithms, where the Service asks for one: in turn by weight (smooth, as nginx has it: the
 * one that is owed most goes first); of two drawn by weight the one with less open; by weight
 * alone; by what the request is hashed by (consistent.h), where the endpoint that the hash belongs
 * to cannot be used, the one that a hash of the hash belongs to, and so on.
 *
 * Slow start: an endpoint that an update has brought weighs a sixteenth at first, counted from when
 * it could first have been chosen, and grows by time to its whole weight.
 */
#ifndef OUTRIGGER_PROXY_BALANCE_BALANCER_H
#define OUTRIGGER_PROXY_BALANCE_BALANCER_H

#include <stdint.h>

#include "proxy/balance/outlier.h"
#include "proxy/config/balancing.h"
#include "proxy/config/endpoints.h"

enum balance { BALANCE_CONNECTIONS, BALANCE_REQUESTS };
#define BALANCE_KINDS 2

struct balancer;
struct balanced; /* one endpoint in a balancer; counted, lives while it is used */

/* Holds `endpoints`. `seed` makes the choices reproducible in tests. NULL when memory is short. */
struct balancer *balancer_new(struct endpoints *endpoints, enum balance kind, uint64_t seed);
void balancer_free(struct balancer *balancer);

/* A newer version: endpoints with the same address keep what was learned. */
bool balancer_update(struct balancer *balancer, struct endpoints *endpoints) MUST_USE;
const struct endpoints *balancer_endpoints(const struct balancer *balancer);

/*
 * By what it chooses from now on; P2C_PEAK_EWMA at first. `hash` is for the next choice: NULL where
 * there is nothing to hash, then RING_HASH and MAGLEV choose as RANDOM does.
 */
void balancer_use(struct balancer *balancer, const struct balance_rules *rules,
                  const uint64_t *hash);

/*
 * Chooses an endpoint that is not among the n `tried`. NULL when none is left. The result counts as
 * one open connection, or request, until balanced_give(). What is in `tried` must not have been
 * given yet.
 */
struct balanced *balancer_take(struct balancer *balancer, struct balanced *const *tried, size_t n,
                               uint64_t now_ns) MUST_USE;
/* Not valid after balanced_give(); the endpoint data outlives updates of the balancer until then.
 */
const struct endpoint *balanced_endpoint(const struct balanced *balanced);
/* Connected, or answered, after `latency_ns`. */
void balanced_connected(struct balanced *balanced, uint64_t latency_ns, uint64_t now_ns);
void balanced_failed(struct balanced *balanced, uint64_t penalty_ns, uint64_t now_ns);
void balanced_give(struct balanced *balanced);
/*
 * What came from it. How many endpoints, mostly none, are left out for a while because of it, by
 * these rules and no more than their share of all being out: they are chosen only when no other is
 * left to try. Logged, as is their return.
 */
unsigned balanced_result(struct balanced *balanced, const struct outlier_rules *rules,
                         enum outcome outcome, uint64_t now_ns);

/*
 * How many are ejected. Returns that are due are logged; *next_ns becomes the time of the next one
 * if that is sooner.
 */
size_t balancer_ejected(struct balancer *balancer, uint64_t now_ns, uint64_t *next_ns);

/*
 * The endpoint has said that it goes. For BALANCER_LEAVING_MS it is used only where a healthy one
 * that stays cannot be: a pod that has gone for good is taken out by the controller long before,
 * one whose proxy was only restarted is wanted again.
 */
#define BALANCER_LEAVING_MS 10000
void balancer_leaving(struct balancer *balancer, const struct sockaddr_any *address,
                      uint64_t now_ns);

/* For the admin pages. */
struct balanced_view {
    const struct endpoint *endpoint;
    uint64_t latency_ns;
    uint32_t open;
    uint64_t chosen, failed;
    struct outlier outlier;
    bool is_panic; /* of the balancer: the ejected are used too */
};
size_t balancer_views(const struct balancer *balancer, struct balanced_view *views, size_t max);

#endif

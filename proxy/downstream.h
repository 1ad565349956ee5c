/*
 * An HTTP connection from a client: what is known of it, the codec that speaks on it, its requests
 * (proxy/request.h). It begins where a tunnel has found out that HTTP is spoken, and lives by
 * itself, in workspace->downstreams.
 */
#ifndef OUTRIGGER_PROXY_DOWNSTREAM_H
#define OUTRIGGER_PROXY_DOWNSTREAM_H

#include "proxy/telemetry/request_stats.h"
#include "proxy/workspace.h"

struct downstream {
    struct list node; /* in workspace->downstreams */
    struct workspace *workspace;
    struct codec *codec; /* NULL once it has ended */
    enum direction direction;
    bool is_counted; /* against the service's cap */
    struct list requests;
    size_t n_requests; /* open */
    struct sockaddr_any source, destination;
    char destination_text[ADDR_TEXT_BYTES];
    char source_ip[IP_TEXT_BYTES];
    char *identity; /* of the client, verified; "" */
    /*
     * What the configuration says of the destination: of the newest snapshot at the time of the
     * latest request. Held; NULL when not known.
     */
    struct service *service;
    uint64_t generation; /* of the snapshot that `service` is from */
    struct flow_stats *flow;
    struct request_peers_cache peers; /* that its requests were counted for */
    uint64_t peers_generation;        /* of the snapshot that `peers` are from */
    uint64_t opened_ns;
    struct grave grave;
};

struct downstream_facts {
    enum direction direction;
    const struct sockaddr_any *source, *destination;
    struct service *service; /* or NULL; is held anew */
    uint64_t opened_ns;
    bool is_http_2;
};

/* Takes over the open connection `client`. False with *reason: it is still the caller's. */
bool downstream_open(struct workspace *workspace, struct conn *client,
                     const struct downstream_facts *facts, enum reason *reason) MUST_USE;

/* Brings `service` up to date. Returns it, or NULL. */
struct service *downstream_service(struct downstream *downstream);

/* The verified identity of who asks: the client's, or outbound the pod's own; "". */
const char *downstream_source_identity(const struct downstream *downstream);
struct endpoint;
/*
 * Under which labels a request is counted that went to `endpoint` (NULL: to the original
 * destination) of `service` (NULL: of none) by
 * `route` ("": by none). NULL: too many are known already.
 */
struct request_peers *downstream_peers(struct downstream *downstream,
                                       const struct endpoint *endpoint,
                                       const struct service *service, const char *route);
/* Does another proxy of the mesh speak on it? */
static inline bool downstream_is_mesh(const struct downstream *downstream)
{
    return downstream->identity[0] != '\0';
}

/* codec_drain() on each; those that are opened later follow with their first request. */
void downstream_drain_all(struct workspace *workspace);
void downstream_end_all(struct workspace *workspace, enum reason reason);

struct json_t;
/* Adds them to the array of /connections. */
void downstream_describe_all(const struct workspace *workspace, struct json_t *array);

#endif

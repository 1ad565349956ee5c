/*
 * What the files of the tunnel share; nobody else includes it.
 */
#ifndef OUTRIGGER_PROXY_TUNNEL_PARTS_H
#define OUTRIGGER_PROXY_TUNNEL_PARTS_H

#include "proxy/tls/mesh_handshake.h"
#include "proxy/tunnel.h"
#include "proxy/upstream/connect.h"

/* Step, its name in logs and on /connections, its function. In the order of the corridor. */
#define TUNNEL_STEPS(X)                                                                            \
    X(STEP_OUTBOUND_DESTINATION, "original_destination", tunnel_outbound_destination)              \
    X(STEP_DISCOVER, "discover", tunnel_discover)                                                  \
    X(STEP_PEEK, "peek", tunnel_peek)                                                              \
    X(STEP_HTTP, "http", tunnel_http)                                                              \
    X(STEP_ROUTE, "route", tunnel_route)                                                           \
    X(STEP_EGRESS, "egress", tunnel_egress)                                                        \
    X(STEP_BALANCE, "balance", tunnel_balance)                                                     \
    X(STEP_INBOUND_DESTINATION, "original_destination", tunnel_inbound_destination)                \
    X(STEP_DETECT, "detect", tunnel_detect)                                                        \
    X(STEP_TERMINATE, "terminate_tls", tunnel_terminate)                                           \
    X(STEP_AUTHORIZE, "authorize", tunnel_authorize)                                               \
    X(STEP_CONNECT, "connect", tunnel_connect)                                                     \
    X(STEP_ORIGINATE, "originate_tls", tunnel_originate)                                           \
    X(STEP_RELAY, "relay", tunnel_relay)

enum tunnel_step {
#define X(step, name, function) step,
    TUNNEL_STEPS(X)
#undef X
        STEP_WAIT, /* the same step again when something has happened */
    STEP_ENDED,    /* tunnel_end() was called: nothing more */
};

struct tunnel {
    struct list node; /* in workspace->tunnels */
    struct workspace *workspace;
    enum direction direction;
    enum tunnel_step step;
    bool is_entered;  /* the step has been run before */
    bool is_readable; /* why it is run again: */
    bool is_timed_out;
    bool is_counted; /* against the service's cap */
    bool is_application_tls;
    bool is_looked_at;        /* the first bytes of the client have been */
    bool is_silent;           /* inbound: taken for plaintext because nothing was said */
    bool is_begun;            /* the client has said something that may become HTTP */
    bool is_unheard;          /* taken for opaque because nothing was said */
    bool is_http_2;           /* STEP_HTTP: which codec */
    bool is_opened;           /* counted as open in `flow` */
    enum mtls_mode mtls_mode; /* inbound: of the port */
    struct conn client;       /* the side that connected */
    struct conn server;       /* the side that we connect to */
    struct timer timer;       /* of the step */
    struct grave grave;
    struct waiter waiter; /* STEP_DISCOVER */
    struct sockaddr_any source, destination;
    struct snapshot *snapshot; /* held until the relay begins */
    struct workload *workload; /* held; NULL when the controller has not spoken */
    struct service *service;   /* held; NULL when not known */
    const struct endpoint
        *endpoint;               /* of the service or the balancer; NULL: the destination itself */
    struct endpoints *endpoints; /* of the chosen backend; lives by `snapshot` */
    struct attempts attempts;
    enum reason failure; /* of the last attempt */
    char *server_name;   /* SNI of the application's own TLS, or NULL */
    char *detail;        /* what went wrong, for the log, or NULL */
    const char *policy;  /* that decided, of `workload`; "" */
    const char *policy_why;
    struct flow_stats *flow;
    uint64_t opened_ns, active_ns;
    uint64_t connect_started_ns;
    uint64_t idle_ms;
    uint64_t bytes_sent, bytes_received; /* from the client's point of view */
};

/* tunnel.c */
void tunnel_run(struct tunnel *tunnel);
/* Records, closes both sides and parks the tunnel; twice is nothing. Returns STEP_ENDED. */
enum tunnel_step tunnel_end(struct tunnel *tunnel, enum reason reason);
/* Parks what is left after the client's connection was handed over; nothing is recorded. */
enum tunnel_step tunnel_vanish(struct tunnel *tunnel);
/* tunnel_outbound.c: to the original destination itself. */
enum tunnel_step tunnel_pass_through(struct tunnel *tunnel);
/* The configuration that holds now is the tunnel's from here on. */
void tunnel_hold_snapshot(struct tunnel *tunnel);
void tunnel_set_timer(struct tunnel *tunnel, uint64_t delay_ms);
/* Remembers what went wrong, for the log line. */
void tunnel_set_detail(struct tunnel *tunnel, const char *text);

/* Counts a failed handshake and keeps its detail; returns the reason that it is. */
enum reason tunnel_tls_failed(struct tunnel *tunnel, const struct tls_layer *tls);
/* Reads the original destination; a reason when that is no place to go, or a cap is reached. */
bool tunnel_find_destination(struct tunnel *tunnel, enum reason *reason) MUST_USE;
/* Is it a port of the proxy itself? */
bool tunnel_is_loop(const struct tunnel *tunnel, const struct sockaddr_any *address);
/* Where the bytes go to. */
const struct sockaddr_any *tunnel_upstream(const struct tunnel *tunnel);
/* Is it one of the pod's own addresses? */
bool tunnel_is_self(const struct tunnel *tunnel, const struct sockaddr_any *address);
uint64_t tunnel_connect_timeout_ms(const struct tunnel *tunnel);

/* The steps. */
#define X(step, name, function) enum tunnel_step function(struct tunnel *tunnel);
TUNNEL_STEPS(X)
#undef X

/* tunnel_inbound.c: access_check() on `identity`, recorded in the tunnel. */
bool tunnel_is_allowed(struct tunnel *tunnel, const char *identity, const struct ip *source,
                       uint16_t port) MUST_USE;

/* tunnel_peek.c: does the configuration say that HTTP is spoken? */
bool tunnel_is_http_port(const struct tunnel *tunnel) MUST_USE;
/* After the client's silence the server has spoken first: remembered for the next. */
void tunnel_hear_server_first(struct tunnel *tunnel, struct slice spoken);

/* From the relay back to a step of the corridor. May end the tunnel. */
void tunnel_resume_at(struct tunnel *tunnel, enum tunnel_step step);

/* tunnel_relay.c: TLS or plaintext, seen in the client's first bytes. */
void tunnel_look_at(struct tunnel *tunnel, struct slice bytes);
void tunnel_relay_timeout(struct tunnel *tunnel);

/* tunnel_record.c */
const char *tunnel_step_name(enum tunnel_step step);
void tunnel_record_open(struct tunnel *tunnel);
/* The labels were wrong; what follows is counted under others. */
void tunnel_record_relabel(struct tunnel *tunnel);
void tunnel_record_end(struct tunnel *tunnel, enum reason reason);
/* What stands on an access log line and on /connections. "" where it is not known. */
const char *tunnel_tls(const struct tunnel *tunnel);
const char *tunnel_source_identity(const struct tunnel *tunnel);
const char *tunnel_destination_identity(const struct tunnel *tunnel);

#endif

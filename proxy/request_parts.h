/*
 * What the files of the request share; nobody else includes it.
 */
#ifndef OUTRIGGER_PROXY_REQUEST_PARTS_H
#define OUTRIGGER_PROXY_REQUEST_PARTS_H

#include "proxy/codec/queue.h"
#include "proxy/request.h"
#include "proxy/request_steps.h"
#include "proxy/route/match.h"
#include "proxy/route/path.h"
#include "proxy/telemetry/request_reason.h"
#include "proxy/telemetry/trace_context.h"
#include "proxy/upstream/connect.h"
#include "proxy/upstream/pool.h"

enum request_step {
#define X(step, name, function) step,
    REQUEST_STEPS(X)
#undef X
        REQUEST_WAIT, /* the same step again when something has happened */
    REQUEST_ENDED,    /* request_end() was called: nothing more */
};

/* Between proxies, on an answer of a proxy's own: why. Nobody outside of the mesh sees it. */
#define REQUEST_REASON_FIELD SLICE_LITERAL("outrigger-reason")

/* How far the answer has come. Only ever forward. */
enum request_answer {
    ANSWER_NONE,  /* at most 1xx */
    ANSWER_BEGUN, /* its head was sent */
    ANSWER_ENDED,
};

struct request {
    struct list node; /* in downstream->requests, or workspace->idle_requests */
    struct workspace *workspace;
    struct downstream *downstream;
    enum request_step step;
    bool is_entered; /* the step has been run before */
    bool is_running; /* request_run() is at work */
    bool has_body;   /* the request's head did not end it */
    bool is_received;
    bool is_body_begun;  /* some of it was sent upstream, by this attempt */
    bool is_replay_lost; /* not all that was sent of the body is in `replay` */
    bool is_must_be_new; /* the next connection: no keep-alive race twice */
    bool has_raced;      /* it was sent again, and the server may have begun with it */
    bool is_tunnel;      /* CONNECT was answered with 2xx, or an upgrade with 101 */
    bool has_connected;  /* the pool has answered: `up`, or `failure` */
    bool is_local;       /* the answer is ours */
    bool is_grpc;
    bool is_counted_open, is_counted_pending, is_counted_retry; /* by circuit breakers */
    bool is_delayed;                                            /* by the filter whose turn it is */
    bool may_start_over; /* the endpoints that were tried may be tried again */
    unsigned n_retries;
    unsigned n_route_retries; /* that the route asked for */
    enum request_answer answer;
    enum request_reason reason;
    enum reason failure;      /* of the last attempt; REASON_DONE: none */
    enum http_version spoken; /* by the client, at the far edge when it is a proxy that asks */
    struct stream *down, *up; /* `up` NULL: none, and when the answer is local */
    struct head *head;        /* of `down` */
    struct slice method, authority, upgrade; /* as they came */
    struct slice id;                         /* x-request-id, or empty */
    struct trace_context trace;              /* as it goes on */
    struct normal_path path;
    struct queue replay; /* the body so far, while the request may be sent again */
    struct pool_ticket ticket;
    struct timer timer; /* idle */
    /* Where a route is followed, else all zero: timeouts, and whatever a step waits for. */
    struct timer deadline, attempt_timer, pause;
    struct grave grave;
    struct workload *workload;       /* held; NULL when the controller has not spoken */
    struct service *service;         /* held; NULL when not known */
    struct endpoints *endpoints;     /* held; of the chosen backend */
    const struct endpoint *endpoint; /* NULL: the original destination itself */
    struct attempts attempts;
    const struct route_match *match;     /* of `service`; NULL: no route is attached */
    const struct route_backend *backend; /* of it */
    const struct filters *filters;       /* that are being applied, up to `filter_at` */
    size_t filter_at;
    const struct hash_on *sticky; /* the cookie that the answer makes, of `service`; or NULL */
    const char *sticky_value;
    const struct cors *cors; /* by which the answer may be read from `origin`; or NULL */
    struct slice origin;
    uint64_t back_off_ms;
    struct mirror *mirrors;         /* copies that still get the body */
    struct side_call *side_call;    /* somebody is being asked about it; or NULL */
    void *external_answer;          /* what was answered: wire_free(); or NULL */
    struct slice external_question; /* in the arena of `down` */
    const char *policy;             /* that decided, of `workload`; "" */
    const char *policy_why;
    const char *detail;      /* what went wrong, in the arena of `down`; "" */
    const char *up_protocol; /* "http/1.1", "h2"; "" before */
    uint16_t status;         /* that the client got; 0: none */
    int grpc_status;         /* -1: none was seen */
    uint64_t begun_ns, sent_ns, head_ns, active_ns; /* 0: not yet */
    uint64_t connect_ns;
    uint64_t bytes_sent, bytes_received; /* of bodies, from the client's point of view */
};

/* request.c */
void request_run(struct request *request);
/* Back to a step, because what was tried has failed in a way that can be tried again. */
void request_resume_at(struct request *request, enum request_step step);
/*
 * Records, closes both streams (the answer's side with `cut`, NONE when the answer has ended) and
 * parks the request; twice is nothing. Returns REQUEST_ENDED.
 */
enum request_step request_end(struct request *request, enum request_reason reason,
                              enum stream_cut cut);
static inline bool request_is_inbound(const struct request *request)
{
    return request->downstream->direction == DIRECTION_INBOUND;
}
/* From now on it is ended when nothing moves for as long as it may. */
void request_watch(struct request *request);
/* Remembers what went wrong, for the log line; copied. */
void request_set_detail(struct request *request, const char *text);
const char *request_step_name(enum request_step step);

/* The steps. */
#define X(step, name, function) enum request_step function(struct request *request);
REQUEST_STEPS(X)
#undef X

/* request_inbound.c: the request as it is now, as policies see it; and access_check() of that,
 * recorded in it. */
struct access_request request_asked(const struct request *request, const char *identity,
                                    const struct sockaddr_any *source, uint16_t port);
bool request_is_allowed(struct request *request, const char *identity,
                        const struct sockaddr_any *source, uint16_t port) MUST_USE;

/* request_upstream.c */
/* The pool's answers, while or after the step asks. */
void request_set_ticket(struct request *request);
/* What `up` was told before a head of an answer: sends again, or answers. */
void request_up_failed(struct request *request, enum stream_cut cut, bool is_unprocessed);
/* Sends it again on a new connection, `is_elsewhere` to another endpoint if there is one. */
void request_send_again(struct request *request, bool is_elsewhere);
/* Does the answer's head say that it is worth trying another endpoint? */
bool request_was_refused(struct request *request, const struct head *head) MUST_USE;
uint64_t request_connect_timeout_ms(const struct request *request);
struct pool_limits request_pool_limits(const struct workspace *workspace,
                                       enum pool_protocol protocol, uint64_t connect_timeout_ms);
/* Tells the next proxy, and nobody else, what the client spoke. False: memory is short. */
bool request_mark_head(struct head *head, bool is_mesh, enum http_version spoken) MUST_USE;
/* Or what fails fast would look like what answers fast. */
void request_blame_endpoint(struct request *request);

/* request_route.c */
/* The step after REQUEST_ROUTE where the service has routes. */
enum request_step request_follow_route(struct request *request);
/* The step is run again after the delay; it asks `pause` whether that is why. */
void request_pause(struct request *request, uint64_t delay_ms);
/* An attempt begins: from now on the route's backend request timeout runs. */
void request_attempt_begin(struct request *request);
/* It is over, or has become a tunnel. */
void request_stop_timeouts(struct request *request);
/* What the match's path covered, which rewrites replace; empty for all but prefixes. */
static inline struct slice request_matched_prefix(const struct request *request)
{
    return request->match->path_kind == PATH_PREFIX ? request->match->path : slice_of(NULL, 0);
}

/* request_hash.c: what it is hashed by, if its service asks for that and it has it. */
bool request_hash(struct request *request, uint64_t *hash) MUST_USE;
/* Tells the client the cookie that was made. False: no memory. */
bool request_hash_answer(struct request *request, struct head *head) MUST_USE;

/* request_filter.c: what the route makes of the final head of an answer. False: no memory. */
bool request_filter_answer(struct request *request, struct head *head) MUST_USE;

/* request_outcome.c: what has come from the endpoint of the current attempt. */
void request_report_local_failure(struct request *request);
void request_report_head(struct request *request, const struct head *head, bool is_end);
void request_report_trailers(struct request *request, const struct head *trailers);

/* request_breaker.c: each false when the service has one too many. */
bool request_breaker_begin(struct request *request) MUST_USE; /* of a known service */
bool request_breaker_wait(struct request *request) MUST_USE;
void request_breaker_wait_over(struct request *request);
bool request_breaker_retry(struct request *request) MUST_USE;
void request_breaker_end(struct request *request); /* gives back all */

/* request_mirror.c */
/* Sends the copies that the filters ask for. */
void request_mirror_begin(struct request *request, const struct filters *filters);
/* The next of the body. */
void request_mirror_data(struct request *request, struct slice data, bool is_end);
/* The request ends before its body has: what is not whole is given up. */
void request_mirror_drop(struct request *request);

/*
 * request_side_call.c: asks the service by a unary gRPC call `method` ("/package.Service/Method").
 * `on_answer` is called once, maybe before this returns, and then the request is run: with the
 * answer, good during the call, or with `why` there is none. False: its endpoints are not known, or
 * memory is short.
 */
typedef void side_call_on_answer(struct request *request, struct slice answer, const char *why);
bool request_side_call_begin(struct request *request, const struct external_service *service,
                             const char *method, const ProtobufCMessage *message,
                             side_call_on_answer *on_answer) MUST_USE;
void request_side_call_cancel(struct request *request);

/*
 * request_retry.c: does the route have another attempt? Then the last one is abandoned, and the
 * step must become REQUEST_BACK_OFF.
 */
bool request_retry_connect(struct request *request) MUST_USE;
bool request_retry_reset(struct request *request) MUST_USE;
/* For an answer's head; goes to that step itself. */
bool request_retry_answer(struct request *request, const struct head *head, bool is_end) MUST_USE;
/* The attempt takes longer than it may: the next, or the end. */
void request_attempt_late(struct request *request);

/* request_replay.c: the body's bytes that have been sent, as long as they may have to be again. */
/* These were sent. Keeps them, or gives up all when it would be too much. */
void request_replay_keep(struct request *request, struct slice data);
/* It is not going to be sent again. */
void request_replay_drop(struct request *request);
/* Is everything there that another attempt would have to send? */
bool request_replay_is_whole(const struct request *request) MUST_USE;
/* Sends what is kept to `up`, which is new. True: the rest may come from the client now. */
bool request_replay_send(struct request *request) MUST_USE;

/* request_relay.c */
extern const struct stream_events request_down_events;
extern const struct stream_events request_up_events;
/* The number in grpc-status, if there is one. */
bool request_grpc_status(const struct head *head, int *status);

/* request_answer.c: answers itself and ends, or cuts what has begun. Returns REQUEST_ENDED. */
enum request_step request_answer(struct request *request, enum request_reason reason);
/* A head of our own to add to, or NULL: memory is short. */
struct head *request_own_head(struct request *request, unsigned status);
/*
 * The same with that head. To a gRPC client a status of gRPC's is said instead, `grpc_status` of
 * the request if it is set already.
 */
enum request_step request_answer_with(struct request *request, enum request_reason reason,
                                      struct head *head, struct slice body);

/*
 * request_trace.c: reads the trace context, and takes part in the trace where spans are recorded.
 * False when memory is short.
 */
bool request_trace(struct request *request) MUST_USE;

/* request_record.c: the three moments of a request. */
void request_record_begin(struct request *request);
void request_record_head(struct request *request); /* the answer's; status is set */
void request_record(struct request *request);      /* the end; reason is set */

#endif

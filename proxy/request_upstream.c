/*
 * The way to the server's side: a connection of the pool, and what is tried again when there is
 * none or when it turns out that the server has not begun with the request.
 */
#include "proxy/request_parts.h"

#include "common/clock.h"
#include "proxy/accept/loop.h"

/*
 * An application's HTTP/1.1 connection that it is about to close is better not taken: most servers
 * close after 5 seconds or more of silence, and only some requests may be sent again.
 */
#define IDLE_HTTP_1_MS 4000
#define IDLE_MS        60000

uint64_t request_connect_timeout_ms(const struct request *request)
{
    if (request->service && request->service->connect_timeout_ms)
        return request->service->connect_timeout_ms;
    if (request->workload && request->workload->connect_timeout_ms)
        return request->workload->connect_timeout_ms;
    return request->workspace->settings->connect_timeout_ms;
}

/* RFC 9110 9.2.2: to ask twice is as to ask once. */
static bool is_idempotent(struct slice method)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (slice_eq_str(method, methods[i]))
            return true;
    return false;
}

static const char *spoken_name(enum http_version version)
{
    return version == HTTP_2 ? "h2" : version == HTTP_1_1 ? "http/1.1" : "http/1.0";
}

/* Where to, as whom, in what. */
static struct pool_key request_key(const struct request *request)
{
    const struct downstream *downstream = request->downstream;
    const struct endpoint *endpoint = request->endpoint;
    struct pool_key key = {.address = endpoint ? endpoint->addr : downstream->destination,
                           .identity = "",
                           .on_behalf = downstream->identity};
    bool is_mesh =
        endpoint && endpoint->identity[0] && !loop_is_self(request->workload, &key.address);
    if (is_mesh)
        key.identity = endpoint->identity;
    /* Between proxies everything shares few connections, but what becomes a tunnel of its own. */
    bool becomes_tunnel = request->upgrade.len || slice_eq_str(request->method, "CONNECT");
    bool is_http_2 = is_mesh ? !becomes_tunnel : request->spoken == HTTP_2;
    key.protocol = is_http_2 ? POOL_HTTP_2 : POOL_HTTP_1_1;
    return key;
}

static void on_ready(struct pool_ticket *ticket, struct codec *codec, bool is_new,
                     uint64_t connect_ns)
{
    struct request *request = LIST_ENTRY(ticket, struct request, ticket);
    (void)is_new;
    request->up = codec_open(codec, request->head, !request->has_body, &request_up_events, request);
    request->failure = request->up ? REASON_DONE : REASON_NO_MEMORY;
    request->up_protocol = codec->ops->protocol;
    request->connect_ns += connect_ns;
    /* Where nobody waited the pool has just looked at the clock. */
    request->sent_ns = request->active_ns = request->is_running ? ticket->taken_ns : clock_now_ns();
    request->is_body_begun = false;
    request->has_connected = true;
    if (!request->is_running)
        request_run(request);
}

static void on_failed(struct pool_ticket *ticket, enum reason reason, const char *detail)
{
    struct request *request = LIST_ENTRY(ticket, struct request, ticket);
    request_set_detail(request, detail);
    request->failure = reason;
    request->has_connected = true;
    if (!request->is_running)
        request_run(request);
}

void request_set_ticket(struct request *request)
{
    list_init(&request->ticket.node);
    request->ticket.on_ready = on_ready;
    request->ticket.on_failed = on_failed;
}

void request_blame_endpoint(struct request *request)
{
    attempts_failed(&request->attempts, request_connect_timeout_ms(request) * NS_PER_MS,
                    clock_now_ns());
}

/* This attempt has failed, before anything was sent: the next endpoint, or the end. */
static enum request_step request_attempt_failed(struct request *request, enum reason reason)
{
    request->failure = reason;
    request_blame_endpoint(request);
    request_report_local_failure(request);
    bool is_ours = reason == REASON_NO_DESCRIPTORS || reason == REASON_NO_MEMORY ||
                   reason == REASON_NO_CERTIFICATE || reason == REASON_DRAINED;
    if (is_ours || !request->endpoint) /* another endpoint would not help, or there is none */
        return request_answer(request, request_reason_of(reason));
    return REQUEST_BALANCE;
}

static bool request_is_loop(const struct request *request, const struct sockaddr_any *address)
{
    const struct downstream *downstream = request->downstream;
    return loop_is_loop(request->workspace->settings, request->workload, downstream->direction,
                        downstream->codec->conn.fd, address);
}

bool request_mark_head(struct head *head, bool is_mesh, enum http_version spoken)
{
    if (is_mesh)
        return head_set(head, FIELD_ORIG_PROTO, slice_str(spoken_name(spoken)));
    head_remove(head, FIELD_ORIG_PROTO);
    return true;
}

static uint64_t request_idle_ms(const struct worker_settings *settings, enum pool_protocol protocol)
{
    uint64_t idle_ms = settings->pool_idle_timeout_ms ? settings->pool_idle_timeout_ms : IDLE_MS;
    return protocol == POOL_HTTP_1_1 && idle_ms > IDLE_HTTP_1_MS ? IDLE_HTTP_1_MS : idle_ms;
}

struct pool_limits request_pool_limits(const struct workspace *workspace,
                                       enum pool_protocol protocol, uint64_t connect_timeout_ms)
{
    return (struct pool_limits){
        .connect_timeout_ms = connect_timeout_ms,
        .idle_timeout_ms = request_idle_ms(workspace->settings, protocol),
        .max_connections = workspace->settings->pool_max_connections,
        .max_pending = workspace->settings->pool_max_pending,
        .max_age_ms = workspace->settings->pool_max_age_ms,
    };
}

static enum request_step request_ask_pool(struct request *request)
{
    struct workspace *workspace = request->workspace;
    struct pool_key key = request_key(request);
    struct pool_limits limits =
        request_pool_limits(workspace, key.protocol, request_connect_timeout_ms(request));
    if (request->upgrade.len && key.protocol == POOL_HTTP_2)
        return request_answer(request, REQUEST_REASON_UPGRADE_REFUSED);
    /* An endpoint could else be a way to the admin port that looks as if it came from here. */
    if (request->endpoint && request_is_loop(request, &key.address)) {
        telemetry_add(workspace->telemetry, COUNTER_LOOPS, 1);
        return request_attempt_failed(request, REASON_LOOP);
    }
    if (!request_mark_head(request->head, key.identity[0], request->spoken))
        return request_answer(request, REQUEST_REASON_NO_MEMORY);
    request->has_connected = false;
    request_attempt_begin(request);
    pool_take(workspace->pools, &key, &limits, request->is_must_be_new, &request->ticket);
    if (request->has_connected || request_breaker_wait(request))
        return REQUEST_WAIT;
    pool_leave(&request->ticket);
    return request_answer(request, REQUEST_REASON_LIMIT_PENDING);
}

enum request_step request_connect(struct request *request)
{
    if (!request->is_entered) {
        enum request_step next = request_ask_pool(request);
        if (next != REQUEST_WAIT)
            return next;
    }
    if (!request->has_connected)
        return REQUEST_WAIT;
    request_breaker_wait_over(request);
    return request->up ? REQUEST_RELAY : request_attempt_failed(request, request->failure);
}

/* ---- sent, and not answered ---- */

static enum request_reason reason_of_cut(enum stream_cut cut)
{
    switch (cut) {
    case STREAM_CUT_PROTOCOL:
    case STREAM_CUT_TOO_LARGE:
        return REQUEST_REASON_UPSTREAM_MALFORMED;
    case STREAM_CUT_TIMEOUT:
        return REQUEST_REASON_REQUEST_TIMEOUT;
    default:
        return REQUEST_REASON_UPSTREAM_RESET;
    }
}

/* All that would have to be sent is there, and it was not sent too often already. */
static bool request_has_another_try(const struct request *request)
{
    return request_replay_is_whole(request) &&
           request->n_retries < request->workspace->settings->connect_attempts;
}

/*
 * Does it do no harm? It does none where the server has certainly not begun. HTTP/1.1 rarely tells:
 * there it must be a request that may be asked twice, and is, once.
 */
static bool request_may_be_sent_again(const struct request *request, enum stream_cut cut)
{
    bool is_certain = request->up_protocol[1] == '2' || cut == STREAM_CUT_REFUSED;
    return request_has_another_try(request) &&
           (is_certain || (!request->has_raced && is_idempotent(request->method)));
}

static bool request_has_others(const struct request *request)
{
    return request->endpoints && request->attempts.n < request->endpoints->n;
}

void request_send_again(struct request *request, bool is_elsewhere)
{
    bool is_http_1 = request->up_protocol[1] != '2';
    telemetry_add(request->workspace->telemetry, COUNTER_REQUEST_RETRIES, 1);
    request->n_retries++;
    request->has_raced |= is_http_1;
    /* An HTTP/2 connection that goes away has no room: another that has does as well as a new one,
     * and a server that refuses streams is not to be met with connections. */
    request->is_must_be_new = is_http_1;
    if (request->has_body && !request->is_received)
        stream_pause(request->down);
    stream_close(request->up, STREAM_CUT_CANCELLED);
    request->up = NULL;
    if (is_elsewhere && request_has_others(request)) {
        request_blame_endpoint(request);
        request_report_local_failure(request);
        request_resume_at(request, REQUEST_BALANCE);
    } else {
        request_resume_at(request, REQUEST_CONNECT);
    }
}

/*
 * The connection was lost while the server had the request: what may be asked twice is asked of
 * another, once, so that one that crashes by it does not take all with it.
 */
static bool request_may_be_asked_elsewhere(const struct request *request, enum stream_cut cut)
{
    return cut == STREAM_CUT_CONNECTION && !request->has_raced && request_has_others(request) &&
           request_has_another_try(request) && is_idempotent(request->method);
}

void request_up_failed(struct request *request, enum stream_cut cut, bool is_unprocessed)
{
    if (is_unprocessed && request_may_be_sent_again(request, cut)) {
        /* A race says nothing of the endpoint; a second refusal does. */
        request_send_again(request, request->n_retries > 0);
        return;
    }
    if (request_may_be_asked_elsewhere(request, cut)) {
        request->has_raced = true;
        request_send_again(request, true);
        return;
    }
    request_blame_endpoint(request);
    request_report_local_failure(request);
    request_set_detail(request, stream_cut_word(cut));
    if (request_retry_reset(request)) {
        request_resume_at(request, REQUEST_BACK_OFF);
        return;
    }
    request_answer(request, reason_of_cut(cut));
}

/*
 * The proxy over there has answered itself: its application has not seen the request, and another
 * endpoint's may. Not when the request was judged, which others would judge alike.
 */
bool request_was_refused(struct request *request, const struct head *head)
{
    static const enum request_reason passing[] = {
        REQUEST_REASON_CONNECT_FAILED, REQUEST_REASON_CONNECT_TIMEOUT,
        REQUEST_REASON_NOT_READY,      REQUEST_REASON_LIMIT_CONNECTIONS,
        REQUEST_REASON_LIMIT_PENDING,  REQUEST_REASON_NO_DESCRIPTORS,
        REQUEST_REASON_NO_MEMORY,      REQUEST_REASON_DRAINED,
    };
    const struct field *said = NULL;
    if (request->endpoint && request->endpoint->identity[0])
        said = head_find_name(head, REQUEST_REASON_FIELD);
    if (!said || !request_has_another_try(request) || !request_has_others(request))
        return false;
    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
        if (slice_eq_str(said->value, request_reason_word(passing[i])))
            return true;
    return false;
}

/*
 * Copies of a request that a route sends elsewhere as well (RequestMirror): nobody waits for their
 * answers, and whatever becomes of them, the request and who asked see nothing of it. A copy has
 * one attempt, lives on when the request has ended, and is given up when its receiver is slower
 * than the request's by more than a little.
 */
#include "proxy/request_parts.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/jitter.h"
#include "proxy/accept/loop.h"

#define MILLIONTHS        1000000
#define MIRROR_WAIT_BYTES (64 * 1024) /* of the body that the receiver has not taken */
#define MIRROR_MAX_MS     15000       /* from its begin to the end of its answer */
#define MIRRORS_MAX       1024        /* of a worker */

struct mirror {
    struct list node; /* of the workspace */
    struct mirror *next;
    struct workspace *workspace;
    struct request *request; /* NULL when that has ended */
    struct arena arena;      /* of `head` and its bytes */
    struct head head;
    bool has_body, is_received, is_ended;
    bool is_full; /* the receiver has said to wait */
    struct pool_ticket ticket;
    struct stream *up;
    struct endpoints *endpoints; /* held */
    struct attempts attempts;
    struct queue waiting; /* of the body */
    struct timer timer;
    struct grave grave;
};

static void mirror_free(struct grave *grave)
{
    struct mirror *mirror = LIST_ENTRY(grave, struct mirror, grave);
    arena_fini(&mirror->arena);
    free(mirror);
}

/* The request no longer knows it. */
static void mirror_leave(struct mirror *mirror)
{
    struct mirror **at = mirror->request ? &mirror->request->mirrors : NULL;
    while (at && *at && *at != mirror)
        at = &(*at)->next;
    if (at && *at)
        *at = mirror->next;
    mirror->request = NULL;
}

static void mirror_end(struct mirror *mirror, bool is_answered)
{
    struct workspace *workspace = mirror->workspace;
    if (mirror->is_ended)
        return;
    mirror->is_ended = true;
    telemetry_add(workspace->telemetry, is_answered ? COUNTER_MIRRORED : COUNTER_MIRRORS_FAILED, 1);
    mirror_leave(mirror);
    pool_leave(&mirror->ticket);
    timer_cancel(&workspace->timers, &mirror->timer);
    if (mirror->up)
        stream_close(mirror->up, is_answered ? STREAM_CUT_NONE : STREAM_CUT_CANCELLED);
    mirror->up = NULL;
    queue_clear(&mirror->waiting, workspace->codecs.slabs);
    attempts_end(&mirror->attempts);
    endpoints_drop(mirror->endpoints);
    list_remove(&mirror->node);
    workspace->n_mirrors--;
    graveyard_park(&workspace->graveyard, &mirror->grave, mirror_free);
}

static void on_late(struct timer *timer)
{
    mirror_end(LIST_ENTRY(timer, struct mirror, timer), false);
}

/* ---- what the receiver says ---- */

static void on_up_head(struct stream *up, struct head *head, bool is_end)
{
    struct mirror *mirror = up->owner;
    if (head->status >= 200)
        attempts_connected(&mirror->attempts, clock_now_ns());
    if (is_end)
        mirror_end(mirror, true);
}

static void on_up_data(struct stream *up, struct slice data, bool is_end)
{
    (void)data;
    if (is_end)
        mirror_end(up->owner, true);
}

static void on_up_trailers(struct stream *up, struct head *trailers)
{
    (void)trailers;
    mirror_end(up->owner, true);
}

static void on_up_reset(struct stream *up, enum stream_cut cut, bool is_unprocessed)
{
    (void)cut;
    (void)is_unprocessed;
    mirror_end(up->owner, false);
}

/* Sends what waits for as long as there is room. */
static void mirror_flush(struct mirror *mirror)
{
    struct slabs *slabs = mirror->workspace->codecs.slabs;
    while (!mirror->is_full && mirror->waiting.len > 0) {
        struct slice data = queue_first(&mirror->waiting);
        bool is_last = mirror->is_received && data.len == mirror->waiting.len;
        mirror->is_full = !stream_send_data(mirror->up, data, is_last) && !is_last;
        queue_drop(&mirror->waiting, slabs, data.len);
        if (is_last)
            mirror->has_body = false;
    }
    if (mirror->is_received && mirror->has_body && mirror->waiting.len == 0) {
        (void)stream_send_data(mirror->up, slice_of("", 0), true);
        mirror->has_body = false;
    }
}

static void on_up_drained(struct stream *up)
{
    struct mirror *mirror = up->owner;
    mirror->is_full = false;
    mirror_flush(mirror);
}

static const struct stream_events mirror_events = {
    .on_head = on_up_head,
    .on_data = on_up_data,
    .on_trailers = on_up_trailers,
    .on_reset = on_up_reset,
    .on_drained = on_up_drained,
};

/* ---- the way to it ---- */

static void on_ready(struct pool_ticket *ticket, struct codec *codec, bool is_new,
                     uint64_t connect_ns)
{
    struct mirror *mirror = LIST_ENTRY(ticket, struct mirror, ticket);
    (void)is_new;
    (void)connect_ns;
    mirror->up = codec_open(codec, &mirror->head, !mirror->has_body, &mirror_events, mirror);
    if (!mirror->up)
        mirror_end(mirror, false);
    else if (mirror->has_body)
        mirror_flush(mirror);
}

static void on_failed(struct pool_ticket *ticket, enum reason reason, const char *detail)
{
    struct mirror *mirror = LIST_ENTRY(ticket, struct mirror, ticket);
    (void)reason;
    (void)detail;
    attempts_failed(&mirror->attempts, MIRROR_MAX_MS * NS_PER_MS, clock_now_ns());
    mirror_end(mirror, false);
}

/* A head of its own, which outlives the request's. */
static bool mirror_copy_head(struct mirror *mirror, const struct head *from)
{
    struct arena *arena = &mirror->arena;
    struct head *head = &mirror->head;
    struct slice *const texts[] = {&head->method, &head->scheme, &head->authority, &head->path};
    if (!head_copy(head, from, arena))
        return false;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i]->len && !(texts[i]->ptr = arena_text(arena, *texts[i])))
            return false;
    for (size_t i = 0; i < head->n_fields; i++) {
        struct field *field = &head->fields[i];
        field->name.ptr = arena_text(arena, field->name);
        field->value.ptr = arena_text(arena, field->value);
        if (!field->name.ptr || !field->value.ptr)
            return false;
    }
    return true;
}

/* Not to a port of the proxies', and not to the pod itself, past its inbound policy. */
static bool may_go_to(const struct request *request, const struct endpoint *endpoint)
{
    const struct downstream *downstream = request->downstream;
    return !loop_is_self(request->workload, &endpoint->addr) &&
           !loop_is_loop(request->workspace->settings, request->workload, downstream->direction,
                         downstream->codec->conn.fd, &endpoint->addr);
}

static void mirror_ask_pool(struct mirror *mirror, const struct request *request,
                            const struct endpoint *endpoint)
{
    bool is_mesh = endpoint->identity[0];
    const struct pool_key key = {.address = endpoint->addr,
                                 .identity = endpoint->identity,
                                 .on_behalf = "",
                                 .protocol = is_mesh || request->spoken == HTTP_2 ? POOL_HTTP_2
                                                                                  : POOL_HTTP_1_1};
    const struct pool_limits limits =
        request_pool_limits(request->workspace, key.protocol, request_connect_timeout_ms(request));
    if (!request_mark_head(&mirror->head, is_mesh, request->spoken)) {
        mirror_end(mirror, false);
        return;
    }
    pool_take(request->workspace->pools, &key, &limits, false, &mirror->ticket);
}

static struct mirror *mirror_new(struct request *request, struct endpoints *endpoints)
{
    struct workspace *workspace = request->workspace;
    struct mirror *mirror = calloc(1, sizeof(*mirror));
    if (!mirror)
        return NULL;
    if (!mirror_copy_head(mirror, request->head)) {
        mirror_free(&mirror->grave);
        return NULL;
    }
    mirror->workspace = workspace;
    mirror->has_body = request->has_body;
    mirror->endpoints = endpoints_hold(endpoints);
    list_init(&mirror->ticket.node);
    mirror->ticket.on_ready = on_ready;
    mirror->ticket.on_failed = on_failed;
    timer_init(&mirror->timer, on_late);
    timer_set(&workspace->timers, &mirror->timer, clock_now_ns(), MIRROR_MAX_MS);
    list_append(&workspace->mirrors, &mirror->node);
    workspace->n_mirrors++;
    if (request->has_body) { /* else nothing more comes from it */
        mirror->request = request;
        mirror->next = request->mirrors;
        request->mirrors = mirror;
    }
    return mirror;
}

static bool mirror_begin(struct request *request, const struct mirror_rule *rule)
{
    struct workspace *workspace = request->workspace;
    struct endpoints *endpoints =
        snapshot_endpoints(workspace->snapshot, slice_str(rule->endpoints));
    if (!endpoints || workspace->n_mirrors >= MIRRORS_MAX)
        return false;
    struct balancer *balancer = balancers_get(&workspace->balancers, BALANCE_REQUESTS, endpoints);
    struct mirror *mirror = balancer ? mirror_new(request, endpoints) : NULL;
    if (!mirror)
        return false;
    balancer_use(balancer, &request->service->balancing, NULL);
    const struct endpoint *endpoint = attempts_next(&mirror->attempts, balancer, 1, clock_now_ns());
    if (endpoint && may_go_to(request, endpoint))
        mirror_ask_pool(mirror, request, endpoint);
    else
        mirror_end(mirror, false);
    return true;
}

void request_mirror_begin(struct request *request, const struct filters *filters)
{
    if (request->upgrade.len || slice_eq_str(request->method, "CONNECT"))
        return;
    for (size_t i = 0; i < filters->n; i++) {
        const struct mirror_rule *rule = &filters->list[i].mirror;
        if (filters->list[i].kind == FILTER_MIRROR && jitter_below(MILLIONTHS) < rule->millionths &&
            !mirror_begin(request, rule))
            telemetry_add(request->workspace->telemetry, COUNTER_MIRRORS_FAILED, 1);
    }
}

/* ---- what the request says ---- */

static void mirror_data(struct mirror *mirror, struct slice data, bool is_end)
{
    mirror->is_received = is_end;
    if (mirror->waiting.len + data.len > MIRROR_WAIT_BYTES ||
        (data.len && !queue_append(&mirror->waiting, mirror->workspace->codecs.slabs, data))) {
        mirror_end(mirror, false);
        return;
    }
    if (is_end)
        mirror_leave(mirror);
    if (mirror->up)
        mirror_flush(mirror);
}

void request_mirror_data(struct request *request, struct slice data, bool is_end)
{
    for (struct mirror *mirror = request->mirrors, *next; mirror; mirror = next) {
        next = mirror->next;
        mirror_data(mirror, data, is_end);
    }
}

void request_mirror_drop(struct request *request)
{
    while (request->mirrors)
        mirror_end(request->mirrors, false);
}

void request_mirror_end_all(struct workspace *workspace)
{
    LIST_EACH(node, &workspace->mirrors)
        mirror_end(LIST_ENTRY(node, struct mirror, node), false);
}

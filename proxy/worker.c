#include "proxy/worker.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/usage.h"
#include "proxy/accept/listener.h"
#include "proxy/downstream.h"
#include "proxy/request.h"
#include "proxy/tunnel.h"
#include "proxy/upstream/pool.h"

#define LISTENERS       4 /* inbound and outbound, v4 and v6 */
#define MAX_FLOW_LABELS 1000

/* Only ever forward. */
enum worker_state { WORKER_SERVING, WORKER_DRAINING, WORKER_STOPPED };

struct stopped_letter;

struct worker {
    pthread_t thread;
    unsigned index;
    enum worker_state state; /* the worker's thread only */
    struct event_base *base;
    struct mailbox *box;
    struct mailbox *main_box;
    struct worker_callbacks callbacks;
    struct telemetry_shard *telemetry;
    struct workspace workspace;
    struct listener listeners[LISTENERS];
    size_t n_listeners;
    struct event *deadline;
    struct stopped_letter *stopped;
    struct letter stop;
    _Atomic bool is_told_to_stop; /* `stop` is one letter and may be posted once */
};

static void worker_end(struct worker *worker)
{
    if (worker->state == WORKER_STOPPED)
        return;
    worker->state = WORKER_STOPPED;
    for (size_t i = 0; i < worker->n_listeners; i++)
        listener_close(&worker->listeners[i]);
    tunnel_end_all(&worker->workspace, REASON_DRAINED);
    downstream_end_all(&worker->workspace, REASON_DRAINED);
    request_mirror_end_all(&worker->workspace);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    worker_end(arg);
}

static void on_tunnel_ended(struct workspace *workspace)
{
    struct worker *worker = workspace->context;
    for (size_t i = 0; i < worker->n_listeners; i++)
        listener_resume(&worker->listeners[i]);
}

static void on_accept_inbound(void *context, int fd, const struct sockaddr_any *peer)
{
    struct worker *worker = context;
    tunnel_accept(&worker->workspace, DIRECTION_INBOUND, fd, peer);
}

static void on_accept_outbound(void *context, int fd, const struct sockaddr_any *peer)
{
    struct worker *worker = context;
    tunnel_accept(&worker->workspace, DIRECTION_OUTBOUND, fd, peer);
}

/* ---- letters to the main thread ---- */

struct want_letter {
    struct letter letter;
    struct worker_callbacks callbacks;
    size_t len;
    char resource[];
};

static void deliver_want(struct letter *letter, void *owner)
{
    struct want_letter *want = (struct want_letter *)letter;
    if (owner)
        want->callbacks.want_service(want->callbacks.context, slice_of(want->resource, want->len));
    free(want);
}

static void on_want_service(struct workspace *workspace, struct slice resource)
{
    struct worker *worker = workspace->context;
    struct want_letter *want = malloc(sizeof(*want) + resource.len);
    if (!want)
        return; /* the connection waits for its timeout and the next one asks again */
    want->letter.deliver = deliver_want;
    want->callbacks = worker->callbacks;
    want->len = resource.len;
    memcpy(want->resource, resource.ptr, resource.len);
    mailbox_post(worker->main_box, &want->letter);
}

/* Made at the start, so that the end cannot fail; apart from the worker, which may be freed first.
 */
struct stopped_letter {
    struct letter letter;
    struct worker_callbacks callbacks;
    struct worker *worker;
};

static void deliver_stopped(struct letter *letter, void *owner)
{
    struct stopped_letter *stopped = (struct stopped_letter *)letter;
    if (owner)
        stopped->callbacks.stopped(stopped->callbacks.context, stopped->worker);
    free(stopped);
}

static struct stopped_letter *stopped_letter_new(struct worker *worker)
{
    struct stopped_letter *stopped = malloc(sizeof(*stopped));
    if (stopped)
        *stopped = (struct stopped_letter){{NULL, deliver_stopped}, worker->callbacks, worker};
    return stopped;
}

/* ---- the thread ---- */

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    char name[16];
    snprintf(name, sizeof(name), "worker-%u", worker->index);
    pthread_setname_np(pthread_self(), name);
    while (worker->state != WORKER_STOPPED) {
        event_base_loop(worker->base, EVLOOP_ONCE);
        workspace_tidy(&worker->workspace);
        if (worker->state == WORKER_DRAINING && workspace_is_quiet(&worker->workspace))
            worker_end(worker);
    }
    workspace_tidy(&worker->workspace);
    struct stopped_letter *stopped = worker->stopped;
    worker->stopped = NULL;
    mailbox_post(worker->main_box, &stopped->letter);
    return NULL;
}

static struct event_base *worker_base(void)
{
    struct event_config *config = event_config_new();
    if (!config)
        return NULL;
    /* One thread. No change list: it would touch descriptors after they were closed, when another
     * worker may have been given the same numbers. */
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static bool worker_listen(struct worker *worker, uint16_t port, bool is_inbound, struct err *err)
{
    static const uint8_t families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < sizeof(families); i++) {
        struct listener *listener = &worker->listeners[worker->n_listeners];
        struct sockaddr_any address = addr_make(&(struct ip){.family = families[i]}, port);
        listener->telemetry = worker->telemetry;
        listener->on_accept = is_inbound ? on_accept_inbound : on_accept_outbound;
        listener->context = worker;
        errno = 0;
        if (listener_open(listener, worker->base, &address, err)) {
            worker->n_listeners++;
        } else if (families[i] == AF_INET || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)) {
            return false; /* a machine without IPv6 is in order */
        }
    }
    return true;
}

static void worker_free(struct worker *worker)
{
    for (size_t i = 0; i < worker->n_listeners; i++)
        listener_close(&worker->listeners[i]);
    mailbox_free(worker->box); /* what was not delivered frees itself */
    if (worker->workspace.settings)
        workspace_fini(&worker->workspace);
    if (worker->deadline)
        event_free(worker->deadline);
    if (worker->base)
        event_base_free(worker->base);
    if (worker->telemetry)
        telemetry_shard_free(worker->telemetry);
    free(worker->stopped);
    free(worker);
}

static bool worker_prepare(struct worker *worker, const struct worker_settings *settings,
                           struct err *err)
{
    worker->base = worker_base();
    worker->telemetry =
        telemetry_shard_new(settings->max_flows ? settings->max_flows : MAX_FLOW_LABELS);
    worker->stopped = stopped_letter_new(worker);
    if (!worker->base || !worker->telemetry || !worker->stopped)
        return err_set(err, "worker %u: out of memory", worker->index);
    worker->box = mailbox_new(worker->base, worker, err);
    if (!worker->box)
        return err_prefix(err, "worker %u", worker->index);
    worker->deadline = evtimer_new(worker->base, on_deadline, worker);
    if (!worker->deadline ||
        !workspace_init(&worker->workspace, worker->base, settings, worker->telemetry))
        return err_set(err, "worker %u: out of memory", worker->index);
    worker->workspace.want_service = on_want_service;
    worker->workspace.tunnel_ended = on_tunnel_ended;
    worker->workspace.context = worker;
    return worker_listen(worker, settings->inbound_port, true, err) &&
           worker_listen(worker, settings->outbound_port, false, err);
}

struct worker *worker_start(unsigned index, const struct worker_settings *settings,
                            const struct worker_callbacks *callbacks, struct mailbox *main_box,
                            struct err *err)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    if (!worker) {
        err_set(err, "worker %u: out of memory", index);
        return NULL;
    }
    worker->index = index;
    worker->callbacks = *callbacks;
    worker->main_box = main_box;
    if (!worker_prepare(worker, settings, err)) {
        worker_free(worker);
        return NULL;
    }
    /* Signals are the main thread's. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int error = pthread_create(&worker->thread, NULL, worker_main, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        err_set_errno(err, error, "worker %u: thread", index);
        worker_free(worker);
        return NULL;
    }
    return worker;
}

/* ---- letters to the worker ---- */

struct publish_letter {
    struct letter letter;
    struct snapshot *snapshot;
    struct worker_tls tls;
    bool is_tls;
};

static void deliver_publish(struct letter *letter, void *owner)
{
    struct publish_letter *publish = (struct publish_letter *)letter;
    struct worker *worker = owner;
    if (worker && publish->is_tls) {
        workspace_publish_tls(&worker->workspace, &publish->tls);
    } else if (worker) {
        workspace_publish(&worker->workspace, publish->snapshot);
    } else {
        if (publish->snapshot)
            snapshot_drop(publish->snapshot);
        svid_tls_drop(publish->tls.client);
        svid_tls_drop(publish->tls.server);
    }
    free(publish);
}

static struct publish_letter *publish_letter_new(void)
{
    struct publish_letter *publish = calloc(1, sizeof(*publish));
    if (publish)
        publish->letter.deliver = deliver_publish;
    else
        LOG_LIMITED(LOG_ERROR, "publish_failed", LOG_S("error", "out of memory"));
    return publish;
}

void worker_publish(struct worker *worker, struct snapshot *snapshot)
{
    struct publish_letter *publish = publish_letter_new();
    if (!publish)
        return; /* the worker goes on with the last; the next publication carries all */
    publish->snapshot = snapshot_hold(snapshot);
    mailbox_post(worker->box, &publish->letter);
}

void worker_publish_tls(struct worker *worker, const struct worker_tls *tls)
{
    struct publish_letter *publish = publish_letter_new();
    if (!publish)
        return;
    publish->is_tls = true;
    publish->tls.client = tls->client ? svid_tls_hold(tls->client) : NULL;
    publish->tls.server = tls->server ? svid_tls_hold(tls->server) : NULL;
    mailbox_post(worker->box, &publish->letter);
}

struct drain_letter {
    struct letter letter;
    uint64_t timeout_ms;
};

static void deliver_drain(struct letter *letter, void *owner)
{
    struct drain_letter *drain = (struct drain_letter *)letter;
    struct worker *worker = owner;
    if (worker && worker->state != WORKER_STOPPED) {
        struct timeval timeout = clock_timeval_ms(drain->timeout_ms);
        worker->state = WORKER_DRAINING; /* the loop looks whether anything is open */
        workspace_drain(&worker->workspace);
        event_add(worker->deadline, &timeout);
    }
    free(drain);
}

void worker_drain(struct worker *worker, uint64_t timeout_ms)
{
    struct drain_letter *drain = malloc(sizeof(*drain));
    if (!drain) {
        worker_stop(worker);
        return;
    }
    drain->letter.deliver = deliver_drain;
    drain->timeout_ms = timeout_ms;
    mailbox_post(worker->box, &drain->letter);
}

static void deliver_stop(struct letter *letter, void *owner)
{
    (void)letter;
    if (owner)
        worker_end(owner);
}

void worker_stop(struct worker *worker)
{
    if (atomic_exchange(&worker->is_told_to_stop, true))
        return;
    worker->stop.deliver = deliver_stop;
    mailbox_post(worker->box, &worker->stop);
}

void worker_join(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
    worker_free(worker);
}

const struct telemetry_shard *worker_telemetry(const struct worker *worker)
{
    return worker->telemetry;
}

/* There and back: the same letter carries the question and the answer. */
struct inspect_letter {
    struct letter letter;
    struct mailbox *main_box;
    enum worker_view view;
    json_t *json;
    void (*done)(void *context, json_t *json);
    void *context;
};

static void deliver_answer(struct letter *letter, void *owner)
{
    struct inspect_letter *inspect = (struct inspect_letter *)letter;
    (void)owner; /* without one it is the main thread as well, at its end */
    inspect->done(inspect->context, inspect->json);
    free(inspect);
}

static json_t *worker_describe_connections(const struct workspace *workspace)
{
    json_t *array = tunnel_describe_all(workspace);
    downstream_describe_all(workspace, array);
    return array;
}

static json_t *worker_describe(const struct worker *worker, enum worker_view view)
{
    switch (view) {
    case WORKER_CONNECTIONS:
        return worker_describe_connections(&worker->workspace);
    case WORKER_POOLS:
        return pools_describe(worker->workspace.pools);
    case WORKER_BALANCERS:
        return balancers_describe(&worker->workspace.balancers);
    case WORKER_TRIMMED_MEMORY:
        usage_trim();
        return tunnel_describe_memory(&worker->workspace);
    case WORKER_MEMORY:
        return tunnel_describe_memory(&worker->workspace);
    }
    return NULL;
}

static void deliver_question(struct letter *letter, void *owner)
{
    struct inspect_letter *inspect = (struct inspect_letter *)letter;
    if (!owner) { /* the worker has stopped; this is the main thread */
        deliver_answer(letter, NULL);
        return;
    }
    inspect->json = worker_describe(owner, inspect->view);
    inspect->letter.deliver = deliver_answer;
    mailbox_post(inspect->main_box, &inspect->letter);
}

void worker_inspect(struct worker *worker, enum worker_view view,
                    void (*done)(void *context, struct json_t *json), void *context)
{
    struct inspect_letter *inspect = calloc(1, sizeof(*inspect));
    if (!inspect) {
        done(context, NULL);
        return;
    }
    inspect->letter.deliver = deliver_question;
    inspect->main_box = worker->main_box;
    inspect->view = view;
    inspect->done = done;
    inspect->context = context;
    mailbox_post(worker->box, &inspect->letter);
}

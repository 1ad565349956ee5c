/*
 * Two proxies' data paths in one process, without a controller and without netfilter: the outbound
 * side of pod "web" and the inbound side of pod "api", each with its workers, and an application
 * listener behind. The original destinations are told by a hook. Everything is on loopback.
 *
 *     test -> [outbound port] web's worker -> [inbound port] api's worker -> application (test)
 */
#ifndef OUTRIGGER_TEST_PROXY_RIG_H
#define OUTRIGGER_TEST_PROXY_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "proxy/worker.h"
#include "test/unit/certs.h"
#include "test/unit/proxy/rig_config.h"

#ifndef RIG_ALPN /* the names that are offered and accepted */
#define RIG_ALPN SLICE_LITERAL("\x0doutrigger-tcp")
#endif
#define RIG_PATIENCE_S 60 /* sanitizers on a busy machine */
#define RIG_WORKERS    4

enum rig_side { RIG_OUT, RIG_IN };

struct rig {
    struct event_base *base;
    struct event *tick;
    struct mailbox *box;
    struct worker_settings settings[2];
    struct worker_shared shared[2];
    struct worker *workers[2][RIG_WORKERS];
    unsigned n_workers;
    unsigned stopped;
    struct snapshot *snapshots[2];
    struct service_shared *service_shared;
    struct cert root;
    struct trust_anchors *anchors;
    int app_fd; /* the application's listener */
    struct sockaddr_any app;
    unsigned wanted; /* want_service letters */
    char last_wanted[64];
    json_t *json;
    bool is_answered;
};

/* What the hook answers, by the port that was connected to. Written before the workers start. */
static struct {
    uint16_t port;
    struct sockaddr_any destination;
} rig_routes[2];

static bool rig_original_dst(int fd, struct sockaddr_any *destination)
{
    struct sockaddr_any local = {.len = sizeof(local.in6)};
    if (getsockname(fd, &local.sa, &local.len) < 0)
        return false;
    for (size_t i = 0; i < 2; i++)
        if (rig_routes[i].port == addr_port(&local)) {
            *destination = rig_routes[i].destination;
            return destination->len > 0;
        }
    return false;
}

static inline struct sockaddr_any rig_address(const char *text)
{
    struct sockaddr_any address;
    struct err err;
    if (!addr_parse(slice_str(text), &address, &err))
        fail_msg("%s", err.text);
    return address;
}

static inline struct sockaddr_any rig_loopback(uint16_t port)
{
    struct ip ip;
    assert_true(ip_parse(SLICE_LITERAL("127.0.0.1"), &ip));
    return addr_make(&ip, port);
}

/* A listener on a port of the kernel's choice. */
static inline int rig_listen(struct sockaddr_any *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *address = rig_loopback(1);
    address->in.sin_port = 0;
    assert_true(fd >= 0 && bind(fd, &address->sa, address->len) == 0 && listen(fd, 1024) == 0);
    assert_int_equal(getsockname(fd, &address->sa, &address->len), 0);
    return fd;
}

/* A port on which nobody listens just now. */
static inline uint16_t rig_free_port(void)
{
    struct sockaddr_any address;
    int fd = rig_listen(&address);
    close(fd);
    return addr_port(&address);
}

static void rig_want(void *context, struct slice resource)
{
    struct rig *rig = context;
    rig->wanted++;
    snprintf(rig->last_wanted, sizeof(rig->last_wanted), "%.*s", SLICE_ARG(resource));
}

static void rig_stopped(void *context, struct worker *worker)
{
    struct rig *rig = context;
    (void)worker;
    rig->stopped++;
}

static void rig_on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
}

/* Runs the main thread's loop until `condition`, or fails. */
#define RIG_WAIT(rig, condition)                                                                   \
    do {                                                                                           \
        uint64_t rig_until_ = clock_now_ns() + RIG_PATIENCE_S * NS_PER_SEC;                        \
        while (!(condition)) {                                                                     \
            if (clock_now_ns() > rig_until_)                                                       \
                fail_msg("waited in vain for: %s", #condition);                                    \
            event_base_loop((rig)->base, EVLOOP_ONCE);                                             \
        }                                                                                          \
    } while (0)

static inline uint64_t rig_counter(const struct rig *rig, enum rig_side side, enum counter counter)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < rig->n_workers; i++)
        sum += atomic_load(&worker_telemetry(rig->workers[side][i])->counters[counter]);
    return sum;
}

/* How many connections of that side ended with a reason. */
static inline uint64_t rig_ended(const struct rig *rig, enum rig_side side, enum reason reason)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < rig->n_workers; i++)
        for (struct flow_stats *flow = atomic_load(&worker_telemetry(rig->workers[side][i])->flows);
             flow; flow = atomic_load(&flow->next))
            sum += atomic_load(&flow->ended[reason]);
    return sum;
}

static inline uint64_t rig_open(const struct rig *rig)
{
    return rig_counter(rig, RIG_OUT, COUNTER_CONNECTIONS_OUTBOUND) +
           rig_counter(rig, RIG_OUT, COUNTER_CONNECTIONS_INBOUND) +
           rig_counter(rig, RIG_IN, COUNTER_CONNECTIONS_OUTBOUND) +
           rig_counter(rig, RIG_IN, COUNTER_CONNECTIONS_INBOUND);
}

/* ---- configuration ---- */

static void rig_answer(void *context, json_t *json)
{
    struct rig *rig = context;
    json_decref(rig->json);
    rig->json = json;
    rig->is_answered = true;
}

/* One worker's answer; also a way to know that it has read all letters before. */
static inline json_t *rig_inspect(struct rig *rig, struct worker *worker, enum worker_view view)
{
    rig->is_answered = false;
    worker_inspect(worker, view, rig_answer, rig);
    RIG_WAIT(rig, rig->is_answered);
    return rig->json;
}

/* The next generation, which may still be changed. */
static inline struct snapshot *rig_copy(const struct snapshot *snapshot)
{
    struct snapshot *copy = snapshot_new();
    copy->generation = snapshot->generation + 1;
    copy->workload = workload_hold(snapshot->workload);
    MAP_EACH(entry, &snapshot->services)
        assert_true(snapshot_set_service(copy, service_hold(entry->value)));
    MAP_EACH(entry, &snapshot->endpoints)
        assert_true(snapshot_set_endpoints(copy, endpoints_hold(entry->value)));
    return copy;
}

/* Publishes what a side's snapshot is now, and makes a copy that may be changed. */
static inline void rig_publish(struct rig *rig, enum rig_side side)
{
    struct snapshot *next = rig_copy(rig->snapshots[side]);
    for (unsigned i = 0; i < rig->n_workers; i++)
        worker_publish(rig->workers[side][i], rig->snapshots[side]);
    snapshot_drop(rig->snapshots[side]);
    rig->snapshots[side] = next;
    for (unsigned i = 0; i < rig->n_workers; i++)
        rig_inspect(rig, rig->workers[side][i], WORKER_MEMORY);
}

static inline void rig_set_policy(struct rig *rig, enum rig_side side, struct rig_policy policy)
{
    snapshot_set_workload(rig->snapshots[side],
                          rig_workload(side == RIG_OUT ? "web" : "api", &policy));
    rig_publish(rig, side);
}

static inline void rig_set_service(struct rig *rig, const struct rig_endpoint *list, size_t n,
                                   uint32_t max_connections)
{
    assert_true(snapshot_set_service(rig->snapshots[RIG_OUT],
                                     rig_service(rig->service_shared, max_connections)));
    assert_true(snapshot_set_endpoints(rig->snapshots[RIG_OUT], rig_endpoints(list, n)));
    rig_publish(rig, RIG_OUT);
}

/* Contexts of an identity, signed by `root`, given to one side's workers. */
static inline void rig_set_identity(struct rig *rig, enum rig_side side, const char *identity,
                                    const struct cert *root)
{
    char san[256];
    struct err err;
    snprintf(san, sizeof(san), "URI:%s", identity);
    struct cert leaf = cert_make(&(struct cert_spec){.san = san}, root);
    struct slice der = cert_slice(&leaf);
    struct slice root_der = cert_slice(root);
    struct trust_anchors *own = trust_anchors_from_der(&root_der, 1, &err);
    struct svid *svid = own ? svid_new(&der, 1, leaf.key, own, &err) : NULL;
    if (!svid)
        fail_msg("%s", err.text);
    struct slice domain = SLICE_LITERAL("mesh.test");
    struct worker_tls tls = {
        svid_tls_new(SVID_CLIENT, svid, rig->anchors, domain, RIG_ALPN, &err),
        svid_tls_new(SVID_SERVER, svid, rig->anchors, domain, RIG_ALPN, &err),
    };
    assert_non_null(tls.client);
    assert_non_null(tls.server);
    for (unsigned i = 0; i < rig->n_workers; i++) {
        worker_publish_tls(rig->workers[side][i], &tls);
        rig_inspect(rig, rig->workers[side][i], WORKER_MEMORY);
    }
    svid_tls_drop(tls.client);
    svid_tls_drop(tls.server);
    svid_drop(svid);
    trust_anchors_drop(own);
    cert_fini(&leaf);
}

/* ---- start and end ---- */

static inline struct worker_settings rig_settings(struct worker_shared *shared)
{
    return (struct worker_settings){
        .inbound_port = rig_free_port(),
        .outbound_port = rig_free_port(),
        .admin_port = 1,
        .handshake_timeout_ms = 5000,
        .detect_timeout_ms = 50,
        .connect_timeout_ms = 5000,
        .idle_timeout_ms = 3600000,
        .discovery_timeout_ms = 200,
        .connect_attempts = 3,
        .shared = shared,
        .original_dst = rig_original_dst,
    };
}

/* `change` NULL, or may change the settings of both sides before the workers start. */
static inline struct rig *rig_start(unsigned n_workers, void (*change)(struct worker_settings *))
{
    struct rig *rig = calloc(1, sizeof(*rig));
    struct err err;
    log_setup(getenv("RIG_LOG") ? LOG_INFO : LOG_ERROR, LOG_TEXT);
    rig->n_workers = n_workers;
    rig->base = event_base_new();
    rig->box = mailbox_new(rig->base, rig, &err);
    rig->tick = event_new(rig->base, -1, EV_PERSIST, rig_on_tick, NULL);
    struct timeval tick = clock_timeval_ms(2);
    event_add(rig->tick, &tick);
    rig->service_shared = service_shared_new();
    rig->root = cert_make(&(struct cert_spec){.is_ca = true}, NULL);
    struct slice der = cert_slice(&rig->root);
    rig->anchors = trust_anchors_from_der(&der, 1, &err);
    rig->app_fd = rig_listen(&rig->app);
    struct worker_callbacks callbacks = {rig_want, rig_stopped, rig};
    for (int side = RIG_OUT; side <= RIG_IN; side++) {
        rig->settings[side] = rig_settings(&rig->shared[side]);
        if (change)
            change(&rig->settings[side]);
        rig->snapshots[side] = snapshot_new();
    }
    rig_routes[0].port = rig->settings[RIG_OUT].outbound_port;
    rig_routes[0].destination = rig_address(RIG_VIP);
    rig_routes[1].port = rig->settings[RIG_IN].inbound_port;
    rig_routes[1].destination = rig->app;
    for (int side = RIG_OUT; side <= RIG_IN; side++)
        for (unsigned i = 0; i < n_workers; i++) {
            rig->workers[side][i] =
                worker_start(i, &rig->settings[side], &callbacks, rig->box, &err);
            if (!rig->workers[side][i])
                fail_msg("%s", err.text);
        }
    return rig;
}

/* The usual mesh: both pods have identities and a permissive workload, the service has one
 * endpoint. */
static inline struct rig *rig_start_mesh(unsigned n_workers,
                                         void (*change)(struct worker_settings *))
{
    struct rig *rig = rig_start(n_workers, change);
    rig_set_identity(rig, RIG_OUT, RIG_WEB, &rig->root);
    rig_set_identity(rig, RIG_IN, RIG_API, &rig->root);
    rig_set_policy(rig, RIG_OUT, (struct rig_policy){0});
    rig_set_policy(rig, RIG_IN, (struct rig_policy){0});
    struct rig_endpoint endpoint = {rig->settings[RIG_IN].inbound_port, RIG_API};
    rig_set_service(rig, &endpoint, 1, 0);
    return rig;
}

static inline void rig_stop(struct rig *rig)
{
    for (int side = RIG_OUT; side <= RIG_IN; side++)
        for (unsigned i = 0; i < rig->n_workers; i++)
            worker_stop(rig->workers[side][i]);
    RIG_WAIT(rig, rig->stopped == 2 * rig->n_workers);
    for (int side = RIG_OUT; side <= RIG_IN; side++) {
        for (unsigned i = 0; i < rig->n_workers; i++)
            worker_join(rig->workers[side][i]);
        snapshot_drop(rig->snapshots[side]);
        assert_int_equal(rig->shared[side].connections, 0);
        assert_int_equal(rig->shared[side].inbound, 0);
    }
    assert_int_equal(rig->service_shared->connections, 0);
    json_decref(rig->json);
    service_shared_drop(rig->service_shared);
    trust_anchors_drop(rig->anchors);
    cert_fini(&rig->root);
    close(rig->app_fd);
    mailbox_free(rig->box);
    event_free(rig->tick);
    event_base_free(rig->base);
    free(rig);
}

/* ---- what an application does ---- */

static inline void rig_patience(int fd)
{
    struct timeval patience = {.tv_sec = RIG_PATIENCE_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

static inline int rig_dial_port(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_any to = rig_loopback(port);
    assert_true(fd >= 0);
    rig_patience(fd);
    if (connect(fd, &to.sa, to.len) < 0)
        fail_msg("connect: %s", strerror(errno));
    return fd;
}

static inline int rig_dial(struct rig *rig)
{
    return rig_dial_port(rig->settings[RIG_OUT].outbound_port);
}

/* The next connection to the application; fails when none comes. */
static inline int rig_accept(struct rig *rig)
{
    struct pollfd ready = {.fd = rig->app_fd, .events = POLLIN};
    if (poll(&ready, 1, RIG_PATIENCE_S * 1000) != 1)
        fail_msg("no connection came to the application");
    int fd = accept4(rig->app_fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    rig_patience(fd);
    return fd;
}

static inline void rig_send(int fd, const void *bytes, size_t len)
{
    for (const char *at = bytes; len;) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            fail_msg("send: %s", strerror(errno));
        at += n;
        len -= (size_t)n;
    }
}

static inline void rig_expect(int fd, const char *text)
{
    char got[4096];
    size_t len = strlen(text), have = 0;
    while (have < len) {
        ssize_t n = recv(fd, got + have, len - have, 0);
        if (n <= 0)
            fail_msg("expected \"%s\", got %zu bytes, then %s", text, have,
                     n ? strerror(errno) : "the end");
        have += (size_t)n;
    }
    assert_memory_equal(got, text, len);
}

static inline void rig_expect_eof(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, 0);
    if (n != 0)
        fail_msg("expected the end, got %s", n < 0 ? strerror(errno) : "a byte");
}

static inline void rig_expect_reset(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, 0);
    if (n >= 0 || errno != ECONNRESET)
        fail_msg("expected a reset, got %s", n < 0 ? strerror(errno) : n ? "a byte" : "the end");
}

static inline void rig_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fd);
}

/* No connection, timer or byte is left anywhere. */
static inline void rig_expect_nothing_left(struct rig *rig)
{
    RIG_WAIT(rig, rig_open(rig) == 0);
    for (int side = RIG_OUT; side <= RIG_IN; side++)
        for (unsigned i = 0; i < rig->n_workers; i++) {
            json_t *memory = rig_inspect(rig, rig->workers[side][i], WORKER_MEMORY);
            static const char *const none[] = {"tunnels", "buffered_bytes", "waiting_bytes",
                                               "timers"};
            for (size_t k = 0; k < 4; k++)
                assert_int_equal(json_integer_value(json_object_get(memory, none[k])), 0);
        }
}

#endif

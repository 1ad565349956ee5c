/*
 * One connection of a pool: opened, moved between the pool's lists as its room and streams change,
 * drained when it has been idle for long, has become old or is not wanted any more.
 */
#include "proxy/upstream/pool_parts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/jitter.h"

#define MAX_IDLE_DEFAULT     1024
#define AGE_JITTER_PERCENT   10
#define STREAMS_MAX_EXPECTED 1000

const char *pool_conn_state_name(enum pool_conn_state state)
{
    static const char *const names[] = {
#define X(state, name) [state] = name,
        POOL_CONN_STATES(X)
#undef X
    };
    return names[state];
}

static struct workspace *conn_workspace(const struct pool_conn *conn)
{
    return conn->pool->pools->workspace;
}

/* The only place where a state changes. In front of its list: the warmest is taken first. */
static void conn_set_state(struct pool_conn *conn, enum pool_conn_state to)
{
    struct pool *pool = conn->pool;
    assert(conn->state < POOL_CONN_DRAINING || to == POOL_CONN_CLOSED);
    list_remove(&conn->node);
    pool->n_conns[conn->state]--;
    conn->state = to;
    if (to == POOL_CONN_CLOSED)
        return;
    list_prepend(&pool->conns[to], &conn->node);
    pool->n_conns[to]++;
}

static void conn_free(struct grave *grave)
{
    free(LIST_ENTRY(grave, struct pool_conn, grave));
}

/* Forgets it; codec or attempt are parked as well. Nobody is told anything. */
static void conn_end(struct pool_conn *conn)
{
    struct workspace *workspace = conn_workspace(conn);
    if (conn->state == POOL_CONN_CLOSED)
        return;
    conn_set_state(conn, POOL_CONN_CLOSED);
    timer_cancel(&workspace->timers, &conn->timer);
    http_connect_free(conn->connect);
    if (conn->codec) {
        codec_free(conn->codec);
        telemetry_add(workspace->telemetry, COUNTER_POOL_CLOSED, 1);
        telemetry_add(workspace->telemetry, COUNTER_POOL_CONNECTIONS, -1);
    }
    conn->connect = NULL;
    conn->codec = NULL;
    conn->pool->pools->n_connections--;
    graveyard_park(&workspace->graveyard, &conn->grave, conn_free);
}

/* ---- its end in time ---- */

static bool has_no_stream(const struct pool_conn *conn)
{
    return conn->codec && codec_n_streams(conn->codec) == 0;
}

/*
 * Sets the timer to what comes first. One that is set to an earlier time is left alone: it looks
 * again by itself, which is cheaper than to move it with each exchange.
 */
static void conn_set_timer(struct pool_conn *conn)
{
    uint64_t due_ns = UINT64_MAX;
    if (has_no_stream(conn))
        due_ns = conn->idle_since_ns + conn->pool->limits.idle_timeout_ms * NS_PER_MS;
    if (conn->retire_ns && conn->retire_ns < due_ns)
        due_ns = conn->retire_ns;
    if (due_ns == UINT64_MAX || (timer_is_set(&conn->timer) && conn->timer.due_ns <= due_ns))
        return;
    uint64_t now_ns = clock_now_ns();
    uint64_t delay_ms = due_ns > now_ns ? (due_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 0;
    timer_set(&conn_workspace(conn)->timers, &conn->timer, now_ns, delay_ms);
}

static bool conn_is_retired(const struct pool_conn *conn, uint64_t now_ns)
{
    return conn->retire_ns && conn->retire_ns <= now_ns;
}

static void on_timer(struct timer *timer)
{
    struct pool_conn *conn = LIST_ENTRY(timer, struct pool_conn, timer);
    struct pools *pools = conn->pool->pools;
    uint64_t now_ns = clock_now_ns();
    uint64_t idle_ns = conn->pool->limits.idle_timeout_ms * NS_PER_MS;
    if (!conn->codec || conn->state == POOL_CONN_DRAINING)
        return; /* looked at again when it is open; or it is ending already */
    pools_enter(pools);
    if (conn_is_retired(conn, now_ns) ||
        (has_no_stream(conn) && now_ns >= conn->idle_since_ns + idle_ns)) {
        struct pool *pool = conn->pool;
        pool_conn_drain(conn);
        pool_run(pool); /* who waits under a cap may go on */
    } else {
        conn_set_timer(conn);
    }
    pools_exit(pools);
}

void pool_conn_drain(struct pool_conn *conn)
{
    if (conn->state >= POOL_CONN_DRAINING)
        return;
    if (!conn->codec) {
        pool_conn_retire(conn, 0);
        return;
    }
    conn_set_state(conn, POOL_CONN_DRAINING);
    codec_drain(conn->codec);
}

void pool_conn_retire(struct pool_conn *conn, uint64_t delay_ms)
{
    uint64_t retire_ns = clock_now_ns() + delay_ms * NS_PER_MS;
    if (conn->state >= POOL_CONN_DRAINING)
        return;
    if (!conn->retire_ns || retire_ns < conn->retire_ns)
        conn->retire_ns = retire_ns;
    if (conn->codec)
        conn_set_timer(conn);
}

void pool_conn_close(struct pool_conn *conn, enum reason reason)
{
    if (conn->codec)
        codec_close(conn->codec, reason); /* on_closed() ends it */
    conn_end(conn);
}

/* ---- by its room and streams ---- */

static void conn_become_idle(struct pool_conn *conn)
{
    struct pool *pool = conn->pool;
    uint32_t max_idle = pool->limits.max_idle ? pool->limits.max_idle : MAX_IDLE_DEFAULT;
    conn_set_state(conn, POOL_CONN_IDLE);
    conn->idle_since_ns = clock_now_ns();
    conn_set_timer(conn);
    if (pool->n_conns[POOL_CONN_IDLE] > max_idle) {
        struct list *coldest = pool->conns[POOL_CONN_IDLE].prev;
        pool_conn_drain(LIST_ENTRY(coldest, struct pool_conn, node));
    }
}

/* How much the next connection to that peer will carry, as far as this one tells. */
static void conn_learn_room(struct pool_conn *conn, unsigned room, size_t n_streams)
{
    size_t total = room + n_streams;
    if (conn->pool->key.protocol == POOL_HTTP_2 && room)
        conn->pool->streams_expected =
            total < STREAMS_MAX_EXPECTED ? (uint32_t)total : STREAMS_MAX_EXPECTED;
}

/*
 * A proxy says GOAWAY when its pod goes, which may be long before the controller tells: other
 * endpoints are better from now on. Servers outside of the mesh say it also to connections that
 * they find old.
 */
static void conn_tell_leaving(struct pool_conn *conn)
{
    const struct pool_key *key = &conn->pool->key;
    if (*key->identity)
        balancers_leaving(&conn->pool->pools->workspace->balancers, &key->address, clock_now_ns());
}

void pool_conn_sort(struct pool_conn *conn)
{
    if (!conn->codec || conn->state >= POOL_CONN_DRAINING)
        return;
    unsigned room = codec_room(conn->codec);
    size_t n_streams = codec_n_streams(conn->codec);
    if (conn->codec->is_leaving && !conn->is_leaving) {
        conn->is_leaving = true;
        conn_tell_leaving(conn);
    }
    enum pool_conn_state to = POOL_CONN_FULL;
    if (room)
        to = n_streams ? POOL_CONN_ACTIVE : POOL_CONN_IDLE;
    conn_learn_room(conn, room, n_streams);
    if (n_streams || conn->codec->n_requests)
        conn->is_used = true;
    if (room == 0 && n_streams == 0) {
        if (conn->state == POOL_CONN_OPENING)
            return;            /* HTTP/2: the peer has not said yet how many it takes */
        pool_conn_drain(conn); /* the peer wants no more on it: GOAWAY, Connection: close */
        return;
    }
    if (to == conn->state)
        return;
    if (to == POOL_CONN_IDLE)
        conn_become_idle(conn);
    else
        conn_set_state(conn, to);
}

void pool_conn_lost_room(struct pool_conn *conn)
{
    conn_set_state(conn, POOL_CONN_FULL);
}

static void on_room(void *owner)
{
    struct pool_conn *conn = owner;
    struct pool *pool = conn->pool;
    pools_enter(pool->pools);
    pool_conn_sort(conn);
    pool_run(pool);
    pools_exit(pool->pools);
}

static void on_closed(void *owner, enum reason reason, const char *detail)
{
    struct pool_conn *conn = owner;
    struct pool *pool = conn->pool;
    if (conn->state == POOL_CONN_CLOSED)
        return;
    bool was_never_given = !conn->is_given && conn->state != POOL_CONN_DRAINING;
    char text[256];
    snprintf(text, sizeof(text), "closed before it was used: %s",
             detail && detail[0] ? detail : reason_word(reason));
    pools_enter(pool->pools);
    conn_end(conn);
    if (was_never_given) /* else it could be opened and closed for ever, for a ticket that waits */
        pool_attempt_failed(pool, REASON_CONNECT_FAILED, text);
    pool_run(pool);
    pools_exit(pool->pools);
}

static const struct codec_events codec_events = {.on_room = on_room, .on_closed = on_closed};

/* ---- its beginning ---- */

static void conn_failed(struct pool_conn *conn, enum reason reason, const char *detail)
{
    struct pool *pool = conn->pool;
    telemetry_add(conn_workspace(conn)->telemetry, COUNTER_POOL_CONNECT_FAILURES, 1);
    conn_end(conn);
    pool_attempt_failed(pool, reason, detail);
}

/*
 * Sets when it will be too old. If it is not wanted any more already (its endpoint has gone while
 * it was opened), the timer drains it in a moment, after those who waited for it were served.
 */
static void conn_limit_age(struct pool_conn *conn)
{
    uint64_t max_age_ms = conn->pool->limits.max_age_ms;
    uint64_t age_ns = jitter_around(max_age_ms, AGE_JITTER_PERCENT) * NS_PER_MS;
    if (max_age_ms && (!conn->retire_ns || conn->opened_ns + age_ns < conn->retire_ns))
        conn->retire_ns = conn->opened_ns + age_ns;
    conn_set_timer(conn);
}

static void on_open(void *owner, struct conn *from, uint64_t took_ns)
{
    struct pool_conn *conn = owner;
    struct pool *pool = conn->pool;
    struct workspace *workspace = conn_workspace(conn);
    const struct pool_clients *clients = &pool->pools->clients;
    bool is_h2 = pool->key.protocol == POOL_HTTP_2;
    pools_enter(pool->pools);
    conn->opened_ns = conn->idle_since_ns = clock_now_ns();
    conn->connect_ns = took_ns ? took_ns : 1;
    conn->codec = (is_h2 ? clients->http_2 : clients->http_1_1)(&workspace->codecs, from,
                                                                &codec_events, conn);
    http_connect_free(conn->connect);
    conn->connect = NULL;
    if (conn->codec) {
        telemetry_add(workspace->telemetry, COUNTER_POOL_OPENED, 1);
        telemetry_add(workspace->telemetry, COUNTER_POOL_CONNECTIONS, 1);
        conn_limit_age(conn);
        pool_conn_sort(conn);
    } else {
        telemetry_add(workspace->telemetry, COUNTER_SHED_MEMORY, 1);
        conn_failed(conn, REASON_NO_MEMORY, "memory is short");
    }
    pool_run(pool);
    pools_exit(pool->pools);
}

static void on_failed(void *owner, enum reason reason, const char *detail)
{
    struct pool_conn *conn = owner;
    struct pool *pool = conn->pool;
    pools_enter(pool->pools);
    conn_failed(conn, reason, detail);
    pool_run(pool);
    pools_exit(pool->pools);
}

static const struct http_connect_events connect_events = {on_open, on_failed};

void pool_conn_open(struct pool *pool)
{
    struct pools *pools = pool->pools;
    struct http_connect_target target = {
        .address = pool->key.address,
        .identity = pool->key.identity,
        .alpn = pool->key.protocol == POOL_HTTP_2 ? MESH_ALPN_H2 : MESH_ALPN_HTTP_1_1,
        .timeout_ms = pool->limits.connect_timeout_ms,
    };
    struct pool_conn *conn = calloc(1, sizeof(*conn));
    if (conn)
        conn->connect = http_connect_new(pools->workspace, &target, &connect_events, conn);
    if (!conn || !conn->connect) {
        free(conn);
        telemetry_add(pools->workspace->telemetry, COUNTER_SHED_MEMORY, 1);
        pool_attempt_failed(pool, REASON_NO_MEMORY, "memory is short");
        return;
    }
    conn->pool = pool;
    timer_init(&conn->timer, on_timer);
    list_append(&pool->conns[POOL_CONN_OPENING], &conn->node);
    pool->n_conns[POOL_CONN_OPENING]++;
    pools->n_connections++;
    http_connect_start(conn->connect);
}

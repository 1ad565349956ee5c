/*
 * Tickets: who waits for a connection of one key, who gets which, and when another is opened.
 */
#include "proxy/upstream/pool_parts.h"

#include "common/clock.h"

#define MAX_PENDING_DEFAULT 1024
/* A ticket's deadline comes after that of an attempt that began with it, whose reason says more. */
#define DEADLINE_GRACE_MS (2 * TIMER_TICK_NS / NS_PER_MS)

/* ---- tickets ---- */

static struct telemetry_shard *pool_telemetry(const struct pool *pool)
{
    return pool->pools->workspace->telemetry;
}

static void ticket_wait(struct pool *pool, struct pool_ticket *ticket, bool must_be_new)
{
    ticket->pool = pool;
    list_append(&pool->waiting[must_be_new ? WAITING_FOR_NEW : WAITING_FOR_ANY], &ticket->node);
    pool->n_waiting++;
    telemetry_add(pool_telemetry(pool), COUNTER_POOL_PENDING, 1);
}

static void ticket_remove(struct pool_ticket *ticket)
{
    struct pool *pool = ticket->pool;
    ticket->pool = NULL;
    list_remove(&ticket->node);
    pool->n_waiting--;
    telemetry_add(pool_telemetry(pool), COUNTER_POOL_PENDING, -1);
}

static void ticket_give(struct pool_ticket *ticket, struct pool_conn *conn)
{
    struct pool *pool = conn->pool;
    bool was_running = pool->is_running, is_new = !conn->is_used;
    uint64_t connect_ns = ticket->taken_ns < conn->opened_ns ? conn->connect_ns : 0;
    if (!is_new)
        telemetry_add(pool_telemetry(pool), COUNTER_POOL_REUSED, 1);
    conn->is_given = true;
    pool->is_running = true; /* what is taken meanwhile must not be given the same room */
    ticket->on_ready(ticket, conn->codec, is_new, connect_ns);
    pool->is_running = was_running;
    pool_conn_sort(conn);
}

/* Tells those in `failing`; what the callbacks take anew waits until all were told. */
static void pool_fail_all(struct pool *pool, struct list *failing, enum reason reason,
                          const char *detail)
{
    bool was_running = pool->is_running;
    pool->is_running = true;
    while (!list_is_empty(failing)) {
        struct pool_ticket *ticket = LIST_ENTRY(failing->next, struct pool_ticket, node);
        ticket_remove(ticket);
        ticket->on_failed(ticket, reason, detail);
    }
    pool->is_running = was_running;
}

void pool_fail_waiting(struct pool *pool, enum reason reason)
{
    struct list failing;
    list_init(&failing);
    list_take_all(&failing, &pool->waiting[WAITING_FOR_NEW]);
    list_take_all(&failing, &pool->waiting[WAITING_FOR_ANY]);
    pool_fail_all(pool, &failing, reason, "");
}

/* The one that has waited for longest, or NULL. */
static struct pool_ticket *pool_oldest(struct pool *pool)
{
    struct pool_ticket *oldest = NULL;
    for (size_t i = 0; i < 2; i++) {
        if (list_is_empty(&pool->waiting[i]))
            continue;
        struct pool_ticket *first = LIST_ENTRY(pool->waiting[i].next, struct pool_ticket, node);
        if (!oldest || first->taken_ns < oldest->taken_ns)
            oldest = first;
    }
    return oldest;
}

static uint32_t pool_n_serving(const struct pool *pool)
{
    return pool->n_conns[POOL_CONN_IDLE] + pool->n_conns[POOL_CONN_ACTIVE] +
           pool->n_conns[POOL_CONN_FULL];
}

/* Tickets that the connections being opened will have room for. */
static uint64_t pool_n_coming(const struct pool *pool)
{
    return (uint64_t)pool->n_conns[POOL_CONN_OPENING] * pool->streams_expected;
}

void pool_attempt_failed(struct pool *pool, enum reason reason, const char *detail)
{
    struct list failing;
    uint64_t n = pool->n_waiting;
    if (pool->n_conns[POOL_CONN_OPENING] || pool_n_serving(pool)) {
        uint64_t coming = pool_n_coming(pool);
        n = n > coming ? n - coming : 0;
        if (n > pool->streams_expected)
            n = pool->streams_expected;
    }
    list_init(&failing);
    for (struct pool_ticket *ticket; n > 0 && (ticket = pool_oldest(pool)); n--) {
        list_remove(&ticket->node);
        list_append(&failing, &ticket->node);
    }
    pool_fail_all(pool, &failing, reason, detail);
}

static void pool_set_timer(struct pool *pool, uint64_t deadline_ns, uint64_t now_ns)
{
    uint64_t delay_ms = DEADLINE_GRACE_MS;
    if (deadline_ns > now_ns)
        delay_ms += (deadline_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;
    if (!timer_is_set(&pool->timer) || now_ns + delay_ms * NS_PER_MS < pool->timer.due_ns)
        timer_set(&pool->pools->workspace->timers, &pool->timer, now_ns, delay_ms);
}

void pool_on_deadline(struct timer *timer)
{
    struct pool *pool = LIST_ENTRY(timer, struct pool, timer);
    struct pools *pools = pool->pools;
    bool is_at_cap = pool->limits.max_connections && !pool->n_conns[POOL_CONN_OPENING];
    uint64_t now_ns = clock_now_ns();
    struct list failing;
    list_init(&failing);
    for (size_t i = 0; i < 2; i++)
        LIST_EACH(node, &pool->waiting[i]) {
            struct pool_ticket *ticket = LIST_ENTRY(node, struct pool_ticket, node);
            if (ticket->deadline_ns <= now_ns) {
                list_remove(node);
                list_append(&failing, node);
            } else {
                pool_set_timer(pool, ticket->deadline_ns, now_ns);
            }
        }
    pools_enter(pools);
    if (is_at_cap)
        pool_fail_all(pool, &failing, REASON_LIMIT_CONNECTIONS,
                      "all connections that the cap allows were busy");
    else
        pool_fail_all(pool, &failing, REASON_CONNECT_TIMEOUT, "no connection had room in time");
    pool_run(pool);
    pools_exit(pools);
}

/* ---- giving and opening ---- */

static struct pool_conn *first_conn(const struct pool *pool, enum pool_conn_state state)
{
    const struct list *conns = &pool->conns[state];
    return list_is_empty(conns) ? NULL : LIST_ENTRY(conns->next, struct pool_conn, node);
}

/*
 * The first that has room now. One may have lost it and not told yet: when a connection breaks, its
 * streams are told first, and may ask for another at once.
 */
static struct pool_conn *first_with_room(struct pool *pool, enum pool_conn_state state)
{
    for (struct pool_conn *conn; (conn = first_conn(pool, state));) {
        if (codec_room(conn->codec))
            return conn;
        pool_conn_lost_room(conn);
    }
    return NULL;
}

/* Has it been used, as somebody sees it who has seen the keep-alive race at `taken_ns`? */
static bool is_new_enough(const struct pool *pool, const struct pool_conn *conn, uint64_t taken_ns)
{
    return !conn->is_used || (pool->key.protocol == POOL_HTTP_2 && conn->opened_ns >= taken_ns);
}

static struct pool_conn *pool_find_new(const struct pool *pool, uint64_t taken_ns)
{
    for (enum pool_conn_state state = POOL_CONN_IDLE; state <= POOL_CONN_ACTIVE; state++)
        LIST_EACH(node, &pool->conns[state]) {
            struct pool_conn *conn = LIST_ENTRY(node, struct pool_conn, node);
            if (is_new_enough(pool, conn, taken_ns) && codec_room(conn->codec))
                return conn;
        }
    return NULL;
}

/* A connection with room: one that is in use already before one that could go to sleep. */
static struct pool_conn *pool_find(struct pool *pool)
{
    struct pool_conn *conn = first_with_room(pool, POOL_CONN_ACTIVE);
    return conn ? conn : first_with_room(pool, POOL_CONN_IDLE);
}

/* To one who waits, and maybe to the connection's end. False: nobody can be served. */
static bool pool_give_one(struct pool *pool)
{
    struct pool_conn *conn = NULL;
    struct list *waiting = &pool->waiting[WAITING_FOR_NEW];
    if (!list_is_empty(waiting)) {
        struct pool_ticket *first = LIST_ENTRY(waiting->next, struct pool_ticket, node);
        conn = pool_find_new(pool, first->taken_ns);
    }
    if (!conn) {
        waiting = &pool->waiting[WAITING_FOR_ANY];
        conn = list_is_empty(waiting) ? NULL : pool_find(pool);
    }
    if (!conn)
        return false;
    struct pool_ticket *ticket = LIST_ENTRY(waiting->next, struct pool_ticket, node);
    ticket_remove(ticket);
    ticket_give(ticket, conn);
    return true;
}

/* True: one was opened, or has failed at once. */
static bool pool_open_one(struct pool *pool)
{
    uint32_t cap = pool->limits.max_connections;
    if (pool->n_waiting <= pool_n_coming(pool) || pool->pools->is_freeing)
        return false;
    if (cap && pool->n_conns[POOL_CONN_OPENING] + pool_n_serving(pool) >= cap) {
        /* Idle ones that are of no use to whom wants a new one make room for it. */
        if (list_is_empty(&pool->waiting[WAITING_FOR_NEW]) || !pool->n_conns[POOL_CONN_IDLE])
            return false;
        struct list *coldest = pool->conns[POOL_CONN_IDLE].prev;
        pool_conn_drain(LIST_ENTRY(coldest, struct pool_conn, node));
    }
    pool_conn_open(pool);
    return true;
}

/* Callbacks may come back here: the outermost call looks again after each of them. */
void pool_run(struct pool *pool)
{
    if (pool->is_running)
        return;
    pool->is_running = true;
    do {
        while (pool_give_one(pool))
            ;
    } while (pool_open_one(pool));
    pool->is_running = false;
    if (pool->pools->is_draining)
        for (struct pool_conn *conn; (conn = first_conn(pool, POOL_CONN_IDLE));)
            pool_conn_drain(conn);
    pool_note_empty(pool);
}

/* The first reason why it cannot even wait; REASON_DONE: it can. */
static enum reason pool_refusal(const struct pools *pools, const struct pool *pool)
{
    if (pools->is_freeing)
        return REASON_DRAINED;
    if (!pool)
        return REASON_NO_MEMORY;
    uint32_t max = pool->limits.max_pending ? pool->limits.max_pending : MAX_PENDING_DEFAULT;
    return pool->n_waiting >= max ? REASON_LIMIT_PENDING : REASON_DONE;
}

void pool_take(struct pools *pools, const struct pool_key *key, const struct pool_limits *limits,
               bool must_be_new, struct pool_ticket *ticket)
{
    uint64_t now_ns = clock_now_ns();
    list_init(&ticket->node);
    ticket->pool = NULL;
    ticket->taken_ns = now_ns;
    ticket->deadline_ns = now_ns + limits->connect_timeout_ms * NS_PER_MS;
    struct pool *pool = pools->is_freeing ? NULL : pools_get(pools, key);
    pools_enter(pools);
    if (pool)
        pool->limits = *limits;
    enum reason refusal = pool_refusal(pools, pool);
    struct pool_conn *conn = NULL;
    if (pool && !pool->is_running && pool->n_waiting == 0)
        conn = must_be_new ? pool_find_new(pool, now_ns) : pool_find(pool);
    if (conn) {
        ticket_give(ticket, conn); /* the usual way: nobody waits for anything */
    } else if (refusal == REASON_NO_MEMORY) {
        telemetry_add(pools->workspace->telemetry, COUNTER_SHED_MEMORY, 1);
        ticket->on_failed(ticket, refusal, "memory is short");
    } else if (refusal != REASON_DONE) {
        ticket->on_failed(ticket, refusal, "");
    } else {
        ticket_wait(pool, ticket, must_be_new);
        pool_set_timer(pool, ticket->deadline_ns, now_ns);
    }
    if (pool)
        pool_run(pool);
    pools_exit(pools);
}

void pool_leave(struct pool_ticket *ticket)
{
    struct pool *pool = ticket->pool;
    if (!pool)
        return;
    pools_enter(pool->pools);
    ticket_remove(ticket);
    pool_note_empty(pool);
    pools_exit(pool->pools);
}

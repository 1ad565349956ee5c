/*
 * What the files of the pool share; nobody else includes it.
 */
#ifndef OUTRIGGER_PROXY_UPSTREAM_POOL_PARTS_H
#define OUTRIGGER_PROXY_UPSTREAM_POOL_PARTS_H

#include "common/map.h"
#include "proxy/upstream/http_connect.h"
#include "proxy/upstream/pool.h"

#define POOL_CONN_STATES(X)                                                                        \
    X(POOL_CONN_OPENING, "opening")   /* connecting; or a codec that has not had room yet */       \
    X(POOL_CONN_IDLE, "idle")         /* no stream, and room; the warmest first */                 \
    X(POOL_CONN_ACTIVE, "active")     /* streams, and room for more */                             \
    X(POOL_CONN_FULL, "full")         /* no room just now */                                       \
    X(POOL_CONN_DRAINING, "draining") /* takes no more streams */                                  \
    X(POOL_CONN_CLOSED, "closed")     /* parked */

enum pool_conn_state {
#define X(state, name) state,
    POOL_CONN_STATES(X)
#undef X
};

struct pool_conn {
    bool is_leaving;  /* the peer has said that it goes, and the balancers know */
    struct list node; /* in pool->conns[state] */
    struct pool *pool;
    enum pool_conn_state state;
    bool is_given;                /* to a ticket, whether it used it or not */
    bool is_used;                 /* an exchange has been on it */
    struct http_connect *connect; /* until it is open */
    struct codec *codec;          /* from then on */
    struct timer timer;           /* the next look at idle_since_ns and retire_ns */
    struct grave grave;
    uint64_t opened_ns;     /* 0: not yet */
    uint64_t connect_ns;    /* what that took */
    uint64_t idle_since_ns; /* while it has no stream */
    uint64_t retire_ns;     /* when it drains; 0: never */
};

enum pool_waiting { WAITING_FOR_ANY, WAITING_FOR_NEW };

/* All connections and tickets of one key. Gone when there are none. */
struct pool {
    struct pools *pools;
    struct list node;         /* in pools->all */
    struct list emptied_node; /* in pools->emptied */
    struct pool_key key;      /* its strings follow the struct */
    struct pool_limits limits;
    struct list conns[POOL_CONN_CLOSED];
    uint32_t n_conns[POOL_CONN_CLOSED];
    struct list waiting[2]; /* tickets, by enum pool_waiting */
    uint32_t n_waiting;
    uint32_t streams_expected; /* on a connection that is being opened */
    struct timer timer;        /* the next ticket's deadline */
    bool is_running;           /* pool_run() is below us on the stack: it will look again */
};

struct pools {
    struct workspace *workspace;
    struct pool_clients clients;
    struct map by_key; /* -> struct pool */
    struct list all;
    struct list emptied;
    unsigned depth; /* calls into the pools that are on the stack: none is freed meanwhile */
    size_t n_connections;
    bool is_draining;
    bool is_freeing;
};

/* Around everything that may call out: pools that have become empty are freed by the last exit. */
static inline void pools_enter(struct pools *pools)
{
    pools->depth++;
}
void pools_exit(struct pools *pools);

/* pools.c: the pool of a key, made if absent. NULL when memory is short. */
struct pool *pools_get(struct pools *pools, const struct pool_key *key);
/* If it has become empty: to be freed when nobody uses it any more. */
void pool_note_empty(struct pool *pool);

/* pool.c: gives what there is, and opens what is needed. */
void pool_run(struct pool *pool);
/* An attempt has failed, or a connection that was never used: so have those whom only it could have
 * served. */
void pool_attempt_failed(struct pool *pool, enum reason reason, const char *detail);
void pool_fail_waiting(struct pool *pool, enum reason reason); /* all of them */
void pool_on_deadline(struct timer *timer);

/* pool_conn.c: another connection. May fail, and tell so, before it returns. */
void pool_conn_open(struct pool *pool);
/* Puts it where it belongs by its room and streams. May drain or even end it. */
void pool_conn_sort(struct pool_conn *conn);
/* It is found to have none, before its codec has told so. Calls nobody. */
void pool_conn_lost_room(struct pool_conn *conn);
void pool_conn_drain(struct pool_conn *conn);
/* Drains it `delay_ms` from now unless that happens earlier, from a timer: calls nobody. One that
 * is being opened serves first those who wait for it. */
void pool_conn_retire(struct pool_conn *conn, uint64_t delay_ms);
/* Closes it, whatever is on it. */
void pool_conn_close(struct pool_conn *conn, enum reason reason);
const char *pool_conn_state_name(enum pool_conn_state state);

#endif

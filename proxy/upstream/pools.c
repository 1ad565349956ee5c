/*
 * The map of all pools of a worker: keys, lifetimes, and what is done to all of them at once.
 */
#include "proxy/upstream/pool_parts.h"

#include <assert.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/jitter.h"
#include "common/spiffe.h"

/* What most servers take at once, and RFC 9113 6.5.2 asks of them; until a connection has told. */
#define STREAMS_EXPECTED_H2 100

/* ---- keys ---- */

struct key_bytes {
    char bytes[2 * SPIFFE_ID_MAX_BYTES + 32];
    size_t len;
};

static void key_add(struct key_bytes *out, const void *bytes, size_t len)
{
    memcpy(out->bytes + out->len, bytes, len);
    out->len += len;
}

/* Unambiguous: every part but the last is of fixed length or follows its length. */
static bool key_write(const struct pool_key *key, struct key_bytes *out)
{
    struct ip ip = addr_ip(&key->address);
    uint16_t port = addr_port(&key->address);
    bool is_v6 = key->address.sa.sa_family == AF_INET6;
    uint32_t scope = is_v6 ? key->address.in6.sin6_scope_id : 0; /* of a link-local address */
    uint8_t protocol = (uint8_t)key->protocol;
    size_t identity_len = strlen(key->identity), on_behalf_len = strlen(key->on_behalf);
    uint16_t len = (uint16_t)identity_len;
    if (identity_len > SPIFFE_ID_MAX_BYTES || on_behalf_len > SPIFFE_ID_MAX_BYTES)
        return false;
    out->len = 0;
    key_add(out, &protocol, sizeof(protocol));
    key_add(out, &ip.family, sizeof(ip.family));
    key_add(out, ip.bytes, sizeof(ip.bytes));
    key_add(out, &port, sizeof(port));
    key_add(out, &scope, sizeof(scope));
    key_add(out, &len, sizeof(len));
    key_add(out, key->identity, identity_len);
    key_add(out, key->on_behalf, on_behalf_len);
    return true;
}

/* ---- one key's pool ---- */

static struct pool *pool_new(struct pools *pools, const struct pool_key *key)
{
    size_t identity_size = strlen(key->identity) + 1, on_behalf_size = strlen(key->on_behalf) + 1;
    struct pool *pool = calloc(1, sizeof(*pool) + identity_size + on_behalf_size);
    if (!pool)
        return NULL;
    char *strings = (char *)(pool + 1);
    memcpy(strings, key->identity, identity_size);
    memcpy(strings + identity_size, key->on_behalf, on_behalf_size);
    pool->pools = pools;
    pool->key = *key;
    pool->key.identity = strings;
    pool->key.on_behalf = strings + identity_size;
    pool->streams_expected = key->protocol == POOL_HTTP_2 ? STREAMS_EXPECTED_H2 : 1;
    list_init(&pool->emptied_node);
    for (size_t i = 0; i < POOL_CONN_CLOSED; i++)
        list_init(&pool->conns[i]);
    list_init(&pool->waiting[WAITING_FOR_ANY]);
    list_init(&pool->waiting[WAITING_FOR_NEW]);
    timer_init(&pool->timer, pool_on_deadline);
    return pool;
}

struct pool *pools_get(struct pools *pools, const struct pool_key *key)
{
    struct key_bytes bytes;
    if (!key_write(key, &bytes))
        return NULL;
    struct slice text = slice_of(bytes.bytes, bytes.len);
    struct pool *pool = map_get(&pools->by_key, text);
    if (pool)
        return pool;
    pool = pool_new(pools, key);
    if (!pool || !map_set(&pools->by_key, text, pool, NULL)) {
        free(pool);
        return NULL;
    }
    list_prepend(&pools->all, &pool->node);
    return pool;
}

static bool pool_is_empty(const struct pool *pool)
{
    for (size_t i = 0; i < POOL_CONN_CLOSED; i++)
        if (pool->n_conns[i])
            return false;
    return pool->n_waiting == 0;
}

static void pool_free(struct pool *pool)
{
    struct pools *pools = pool->pools;
    struct key_bytes bytes;
    if (key_write(&pool->key, &bytes))
        map_remove(&pools->by_key, slice_of(bytes.bytes, bytes.len));
    timer_cancel(&pools->workspace->timers, &pool->timer);
    list_remove(&pool->node);
    free(pool);
}

void pool_note_empty(struct pool *pool)
{
    if (pool_is_empty(pool) && list_is_empty(&pool->emptied_node))
        list_append(&pool->pools->emptied, &pool->emptied_node);
}

void pools_exit(struct pools *pools)
{
    if (--pools->depth > 0)
        return;
    LIST_EACH(node, &pools->emptied) {
        struct pool *pool = LIST_ENTRY(node, struct pool, emptied_node);
        list_remove(node);
        if (pool_is_empty(pool))
            pool_free(pool);
    }
}

/* ---- all of them ---- */

struct pools *pools_new(struct workspace *workspace, const struct pool_clients *clients)
{
    struct pools *pools = calloc(1, sizeof(*pools));
    if (!pools)
        return NULL;
    pools->workspace = workspace;
    pools->clients = *clients;
    list_init(&pools->all);
    list_init(&pools->emptied);
    return pools;
}

static void pool_close_all(struct pool *pool, enum reason reason)
{
    for (size_t state = 0; state < POOL_CONN_CLOSED; state++)
        while (!list_is_empty(&pool->conns[state]))
            pool_conn_close(LIST_ENTRY(pool->conns[state].next, struct pool_conn, node), reason);
}

void pools_free(struct pools *pools)
{
    if (!pools)
        return;
    assert(pools->depth == 0);
    pools->is_freeing = true;
    pools_enter(pools);
    LIST_EACH(node, &pools->all) {
        struct pool *pool = LIST_ENTRY(node, struct pool, node);
        pool_fail_waiting(pool, REASON_DRAINED);
        pool_close_all(pool, REASON_DRAINED);
        pool_note_empty(pool);
    }
    pools_exit(pools);
    assert(list_is_empty(&pools->all));
    map_fini(&pools->by_key, NULL);
    free(pools);
}

/*
 * Every connection that takes streams or will; each drains within `spread_ms` and a moment. From
 * its timer: nobody's callback comes while whoever called looks through tables of its own.
 */
static void pool_retire_all(struct pool *pool, uint64_t spread_ms)
{
    for (enum pool_conn_state state = POOL_CONN_OPENING; state < POOL_CONN_DRAINING; state++)
        LIST_EACH(node, &pool->conns[state])
            pool_conn_retire(LIST_ENTRY(node, struct pool_conn, node), jitter_below(spread_ms));
}

void pools_drain_address(struct pools *pools, const struct sockaddr_any *address)
{
    LIST_EACH(node, &pools->all) {
        struct pool *pool = LIST_ENTRY(node, struct pool, node);
        if (addr_eq(&pool->key.address, address))
            pool_retire_all(pool, 0);
    }
}

void pools_renew(struct pools *pools, uint64_t spread_ms)
{
    LIST_EACH(node, &pools->all) {
        struct pool *pool = LIST_ENTRY(node, struct pool, node);
        if (pool->key.identity[0])
            pool_retire_all(pool, spread_ms);
    }
}

void pools_drain(struct pools *pools)
{
    pools->is_draining = true;
    pools_enter(pools);
    LIST_EACH(node, &pools->all)
        pool_run(LIST_ENTRY(node, struct pool, node)); /* closes what is idle */
    pools_exit(pools);
}

size_t pools_n_connections(const struct pools *pools)
{
    return pools->n_connections;
}

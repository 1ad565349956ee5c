/*
 * The pools as /connections shows them.
 */
#include "proxy/upstream/pool_parts.h"

#include <jansson.h>

#include "common/clock.h"

static json_t *describe_conn(const struct pool_conn *conn, uint64_t now_ns)
{
    json_t *object = json_pack("{s:s}", "state", pool_conn_state_name(conn->state));
    if (!conn->codec) {
        json_object_set_new(object, "step", json_string(http_connect_state(conn->connect)));
        return object;
    }
    json_object_set_new(object, "age_ms",
                        json_integer((json_int_t)((now_ns - conn->opened_ns) / NS_PER_MS)));
    json_t *codec = codec_describe(conn->codec);
    if (codec)
        json_object_update_missing(object, codec);
    json_decref(codec);
    return object;
}

static json_t *describe_pool(const struct pool *pool, uint64_t now_ns)
{
    char address[ADDR_TEXT_BYTES];
    json_t *list = json_array();
    for (size_t state = 0; state < POOL_CONN_CLOSED; state++)
        LIST_EACH(node, &pool->conns[state])
            json_array_append_new(list,
                                  describe_conn(LIST_ENTRY(node, struct pool_conn, node), now_ns));
    return json_pack("{s:s,s:s,s:s,s:s,s:i,s:o}", "address",
                     addr_format(&pool->key.address, address), "identity", pool->key.identity,
                     "on_behalf_of", pool->key.on_behalf, "protocol",
                     pool->key.protocol == POOL_HTTP_2 ? "h2" : "http/1.1", "waiting",
                     (int)pool->n_waiting, "connections", list);
}

struct json_t *pools_describe(const struct pools *pools)
{
    uint64_t now_ns = clock_now_ns();
    json_t *list = json_array();
    LIST_EACH(node, &pools->all)
        json_array_append_new(list, describe_pool(LIST_ENTRY(node, struct pool, node), now_ns));
    return list;
}

#include "controller/admin/pages.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/time_json.h"
#include "controller/admin/effect.h"
#include "controller/admin/route_page.h"
#include "controller/objects/keys.h"

/* NULL would make json_object_set_new() fail in silence. */
static json_t *text(const char *value)
{
    return value ? json_string(value) : json_null();
}

static const char *told_name(const struct delta_subscription *subscription)
{
    switch (subscription->told) {
    case DELTA_TOLD_NOTHING:
        return "waiting";
    case DELTA_TOLD_REMOVED:
        return "removed";
    case DELTA_TOLD_RESOURCE:
        break;
    }
    return subscription->is_refused ? "refused" : "sent";
}

static json_t *subscription_json(const struct delta_subscription *subscription)
{
    json_t *json = json_object();
    json_object_set_new(json, "type", text(resource_type_url(subscription->entry->type)));
    json_object_set_new(json, "name", text(subscription->entry->name));
    json_object_set_new(json, "state", text(told_name(subscription)));
    json_object_set_new(json, "version", text(subscription->version));
    json_object_set_new(json, "acked", text(subscription->acked));
    return json;
}

static json_t *stream_json(const struct delta_stream *stream)
{
    json_t *json = json_object();
    json_object_set_new(json, "node", text(stream->node));
    json_object_set_new(json, "identity", text(stream->identity));
    json_object_set_new(json, "address", text(stream->address));
    json_object_set_new(json, "connected_seconds", json_integer(clock_wall_sec() - stream->since));
    json_object_set_new(json, "certificate_seconds_left",
                        json_integer(stream->not_after - clock_wall_sec()));
    json_object_set_new(json, "responses_waiting_for_ack",
                        json_integer((json_int_t)stream->state.n_in_flight));
    json_object_set_new(json, "nacks", json_integer((json_int_t)stream->state.n_nacks));
    json_object_set_new(json, "last_nack", text(stream->last_nack));
    json_t *subscriptions = json_array();
    for (size_t i = 0; i < RESOURCE_TYPES; i++)
        MAP_EACH(item, &stream->state.subscriptions[i])
            json_array_append_new(subscriptions, subscription_json(item->value));
    json_object_set_new(json, "subscriptions", subscriptions);
    return json;
}

json_t *proxies_json(const struct admin_sources *sources)
{
    json_t *json = json_array();
    LIST_EACH(node, &delta_server_streams(sources->delta)->open)
        json_array_append_new(json, stream_json(LIST_ENTRY(node, struct delta_stream, open_node)));
    return json;
}

static json_t *problems_json(const struct problems *problems)
{
    json_t *json = json_array();
    const char **list = problems_list(problems);
    for (size_t i = 0; list && i < problems_count(problems); i++)
        json_array_append_new(json, text(list[i]));
    free(list);
    return json;
}

static json_t *object_json(const struct admin_sources *sources, const struct object *object)
{
    char effect[EFFECT_TEXT_BYTES];
    json_t *json = json_object();
    if (object->namespace[0])
        json_object_set_new(json, "namespace", text(object->namespace));
    json_object_set_new(json, "name", text(object->name));
    json_object_set_new(json, "file", text(object->file));
    json_object_set_new(json, "line", json_integer(object->line));
    effect_text(sources->store, &delta_server_streams(sources->delta)->cache, object, effect);
    if (effect[0])
        json_object_set_new(json, "effect", text(effect));
    if (object_is_route(object))
        json_object_set_new(json, "parents",
                            route_parents_json(sources->store, (const struct route *)object));
    return json;
}

json_t *objects_json(const struct admin_sources *sources)
{
    json_t *json = json_object();
    json_object_set_new(json, "problems", problems_json(sources->problems));
    json_t *kinds = json_object();
    for (int kind = 0; kind < OBJECT_KINDS; kind++) {
        char key[STORE_KEY_BYTES];
        struct found found = store_find(sources->store, key_of_kind(key, (enum object_kind)kind));
        json_t *list = json_array();
        for (size_t i = 0; i < found.n; i++)
            json_array_append_new(list, object_json(sources, found.list[i]));
        json_object_set_new(kinds, object_kind_name((enum object_kind)kind), list);
    }
    json_object_set_new(json, "objects", kinds);
    if (sources->kubernetes)
        json_object_set_new(json, "kubernetes", kubernetes_describe(sources->kubernetes));
    return json;
}

json_t *certificates_json(const struct admin_sources *sources)
{
    const struct svid *own = server_identity_svid(sources->own_identity);
    const struct trust_anchors *anchors = ca_anchors(sources->ca);
    int64_t now = clock_wall_sec();
    json_t *roots = json_array();
    for (size_t i = 0; i < trust_anchors_count(anchors); i++) {
        json_t *root = json_object();
        json_object_set_new(root, "name", text(trust_anchors_name(anchors, i)));
        json_object_set_new(root, "not_after", time_json(trust_anchors_not_after(anchors, i)));
        json_object_set_new(root, "seconds_left",
                            json_integer(trust_anchors_not_after(anchors, i) - now));
        json_array_append_new(roots, root);
    }
    json_t *leaf = json_object();
    struct slice id = svid_id(own)->text;
    json_object_set_new(leaf, "identity", json_stringn(id.ptr, id.len));
    json_object_set_new(leaf, "serial", text(svid_serial(own)));
    json_object_set_new(leaf, "not_before", time_json(svid_not_before(own)));
    json_object_set_new(leaf, "not_after", time_json(svid_not_after(own)));
    json_object_set_new(leaf, "seconds_left", json_integer(svid_not_after(own) - now));
    json_t *json = json_object();
    json_object_set_new(json, "trust_domain", text(ca_trust_domain(sources->ca)));
    json_object_set_new(json, "roots", roots);
    json_object_set_new(json, "own", leaf);
    return json;
}

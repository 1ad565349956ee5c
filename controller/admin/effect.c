#include "controller/admin/effect.h"

#include <stdio.h>

#include "controller/delta/state.h"
#include "controller/objects/access_policy.h"
#include "controller/objects/keys.h"
#include "controller/objects/pod.h"
#include "controller/objects/traffic_policy.h"
#include "controller/objects/traffic_target.h"

enum grip { GRIP_NO_PROXY, GRIP_NOT_CONNECTED, GRIP_WAITING, GRIP_REFUSED, GRIP_ACCEPTED };

/* How the pod's own proxy stands to its newest Workload. */
static enum grip pod_grip(const struct delta_cache *cache, const struct pod *pod)
{
    char name[RESOURCE_NAME_MAX + 1];
    if (!pod->has_proxy)
        return GRIP_NO_PROXY;
    snprintf(name, sizeof(name), "%s/%s", pod->object.namespace, pod->object.name);
    const struct delta_entry *entry = map_get(&cache->entries[RESOURCE_WORKLOAD], slice_str(name));
    enum grip grip = GRIP_NOT_CONNECTED;
    if (!entry)
        return grip;
    LIST_EACH(node, &entry->subscribers) {
        const struct delta_subscription *subscription =
            LIST_ENTRY(node, struct delta_subscription, entry_node);
        bool is_newest = slice_eq_str(slice_str(subscription->version), entry->resource->version);
        if (subscription->told == DELTA_TOLD_REMOVED) /* another's, who may not see it */
            continue;
        grip = GRIP_WAITING;
        if (is_newest && subscription->is_refused)
            grip = GRIP_REFUSED;
        else if (is_newest &&
                 slice_eq_str(slice_str(subscription->acked), entry->resource->version))
            return GRIP_ACCEPTED;
    }
    return grip;
}

static const char *grip_text(enum grip grip)
{
    switch (grip) {
    case GRIP_NO_PROXY:
        return "has no proxy: nothing is enforced";
    case GRIP_NOT_CONNECTED:
        return "its proxy is not connected";
    case GRIP_WAITING:
        return "its proxy has not answered yet";
    case GRIP_REFUSED:
        return "its proxy refused the newest version and keeps the one before";
    case GRIP_ACCEPTED:
        return "in force";
    }
    return "";
}

/* A policy of the root namespace is about the whole mesh. */
static struct found pods_of(const struct store *store, const char *namespace)
{
    char key[STORE_KEY_BYTES];
    if (slice_eq_str(slice_str(namespace), COMPILE_ROOT_NAMESPACE))
        return store_find(store, key_of_kind(key, OBJECT_POD));
    return store_find(store, key_of_namespace(key, OBJECT_POD, namespace));
}

/* Which pods an object is about. */
struct choice {
    struct labels selector;
    const char *account; /* NULL: any */
};

static bool is_chosen(const struct choice *choice, const struct pod *pod)
{
    return !pod->is_finished && labels_match(choice->selector, pod->object.labels) &&
           (!choice->account || strcmp(choice->account, pod->service_account) == 0);
}

static void pods_text(const struct store *store, const struct delta_cache *cache,
                      const struct object *policy, struct choice choice,
                      char text[EFFECT_TEXT_BYTES])
{
    struct found found = pods_of(store, policy->namespace);
    size_t n = 0, counts[GRIP_ACCEPTED + 1] = {0};
    for (size_t i = 0; i < found.n; i++) {
        const struct pod *pod = (const struct pod *)found.list[i];
        if (!is_chosen(&choice, pod))
            continue;
        n++;
        counts[pod_grip(cache, pod)]++;
    }
    if (n == 0) {
        snprintf(text, EFFECT_TEXT_BYTES, "selects no pod");
        return;
    }
    size_t len = (size_t)snprintf(text, EFFECT_TEXT_BYTES, "in force on %zu of %zu pods",
                                  counts[GRIP_ACCEPTED], n);
    static const char *const others[] = {[GRIP_NO_PROXY] = "without proxy",
                                         [GRIP_NOT_CONNECTED] = "not connected",
                                         [GRIP_WAITING] = "waiting",
                                         [GRIP_REFUSED] = "refused"};
    for (int grip = 0; grip < GRIP_ACCEPTED; grip++)
        if (counts[grip])
            len += (size_t)snprintf(text + len, EFFECT_TEXT_BYTES - len, ", %zu %s", counts[grip],
                                    others[grip]);
}

static void services_text(const struct store *store, const struct traffic_policy *policy,
                          char text[EFFECT_TEXT_BYTES])
{
    for (size_t i = 0; i < policy->services.n; i++)
        if (!store_get(store, OBJECT_SERVICE, policy->object.namespace, policy->services.list[i])) {
            snprintf(text, EFFECT_TEXT_BYTES, "there is no Service %s/%s", policy->object.namespace,
                     policy->services.list[i]);
            return;
        }
    snprintf(text, EFFECT_TEXT_BYTES, "applies to %zu services", policy->services.n);
}

const char *effect_text(const struct store *store, const struct delta_cache *cache,
                        const struct object *object, char text[EFFECT_TEXT_BYTES])
{
    text[0] = '\0';
    if (object->kind == OBJECT_POD) {
        const struct pod *pod = (const struct pod *)object;
        snprintf(text, EFFECT_TEXT_BYTES, "%s",
                 pod->is_finished ? "finished" : grip_text(pod_grip(cache, pod)));
    } else if (object->kind == OBJECT_ACCESS_POLICY) {
        struct labels selector = ((const struct access_policy *)object)->selector;
        pods_text(store, cache, object, (struct choice){selector, NULL}, text);
    } else if (object->kind == OBJECT_TRAFFIC_TARGET) {
        const char *account = ((const struct traffic_target *)object)->account;
        pods_text(store, cache, object, (struct choice){{0}, account}, text);
    } else if (object->kind == OBJECT_TRAFFIC_POLICY) {
        const struct traffic_policy *policy = (const struct traffic_policy *)object;
        if (policy->services.n)
            services_text(store, policy, text);
        else
            pods_text(store, cache, object, (struct choice){policy->selector, NULL}, text);
    }
    return text;
}

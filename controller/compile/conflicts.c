#include "controller/compile/conflicts.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "controller/objects/keys.h"
#include "controller/objects/pod.h"
#include "controller/objects/traffic_policy.h"

#define ORIGIN_BYTES 512

struct conflicts {
    const struct store *store;
    struct problems *problems;
    struct map told; /* origins of problems that this module has set */
};

struct setting {
    const char *path;
    size_t offset; /* in struct traffic_policy */
    size_t bytes;
};

#define SETTING(path, member)                                                                      \
    {                                                                                              \
        path, offsetof(struct traffic_policy, member),                                             \
            sizeof(((struct traffic_policy *)NULL)->member)                                        \
    }

static const struct setting settings[] = {
    SETTING("spec.inbound.mtls.mode", workload.mtls_mode),
    SETTING("spec.inbound.maxConnections", workload.max_connections),
    SETTING("spec.inbound.idleTimeout", workload.idle_timeout_ms),
    SETTING("spec.inbound.connectTimeout", workload.connect_timeout_ms),
    SETTING("spec.inbound.defaultAccess", workload.default_access),
    SETTING("spec.outbound.egressMode", workload.egress_mode),
    SETTING("spec.outbound.discoveryTimeout", workload.discovery_timeout_ms),
    SETTING("spec.accessLog", workload.access_log),
    SETTING("spec.service.maxConnections", service.max_connections),
    SETTING("spec.service.idleTimeout", service.idle_timeout_ms),
    SETTING("spec.service.connectTimeout", service.connect_timeout_ms),
    SETTING("spec.service.retries.attempts", service.retries.attempts),
    SETTING("spec.service.retries.perTryTimeout", service.retries.per_try_timeout_ms),
    SETTING("spec.service.retries.backoff", service.retries.backoff_ms),
    SETTING("spec.service.retryBudget.percent", service.retry_budget.percent),
    SETTING("spec.service.retryBudget.minPerSecond", service.retry_budget.min_per_second),
};
#define N_SETTINGS (sizeof(settings) / sizeof(settings[0]))

/* 0 means not set, for each of them. */
static bool is_set(const struct traffic_policy *policy, const struct setting *setting)
{
    static const char nothing[sizeof(uint64_t)];
    return memcmp((const char *)policy + setting->offset, nothing, setting->bytes) != 0;
}

static bool ports_differ(const struct traffic_workload *a, const struct traffic_workload *b)
{
    for (size_t i = 0; i < a->n_ports; i++)
        for (size_t j = 0; j < b->n_ports; j++)
            if (a->ports[i].port == b->ports[j].port && a->ports[i].mode != b->ports[j].mode)
                return true;
    return false;
}

/* What both set, and not alike; NULL when they can stand beside each other. */
static const char *differing_setting(const struct traffic_policy *a, const struct traffic_policy *b)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *setting = &settings[i];
        if (is_set(a, setting) && is_set(b, setting) &&
            memcmp((const char *)a + setting->offset, (const char *)b + setting->offset,
                   setting->bytes) != 0)
            return setting->path;
    }
    return ports_differ(&a->workload, &b->workload) ? "spec.inbound.mtls.ports" : NULL;
}

static bool has_text(struct texts texts, const char *text)
{
    for (size_t i = 0; i < texts.n; i++)
        if (strcmp(texts.list[i], text) == 0)
            return true;
    return false;
}

static bool share_a_service(const struct traffic_policy *a, const struct traffic_policy *b)
{
    for (size_t i = 0; i < a->services.n; i++)
        if (has_text(b->services, a->services.list[i]))
            return true;
    return false;
}

/* A pod of their namespace that both select; policies of the root namespace are compared by their
 * own pods alone, which finds the usual mistake: the same selector twice. */
static bool share_a_pod(const struct store *store, const struct traffic_policy *a,
                        const struct traffic_policy *b)
{
    char key[STORE_KEY_BYTES];
    if (a->selector.n == b->selector.n && labels_match(a->selector, b->selector))
        return true;
    struct found pods =
        store_find(store, key_of_label(key, a->object.namespace, &a->selector.list[0]));
    for (size_t i = 0; i < pods.n; i++)
        if (labels_match(a->selector, pods.list[i]->labels) &&
            labels_match(b->selector, pods.list[i]->labels))
            return true;
    return false;
}

/* Only policies of one rank can be in conflict: the more specific wins without a word. */
static bool speak_of_the_same(const struct store *store, const struct traffic_policy *a,
                              const struct traffic_policy *b)
{
    if (a->services.n > 0 || b->services.n > 0)
        return share_a_service(a, b);
    if (a->selector.n == 0 || b->selector.n == 0)
        return a->selector.n == b->selector.n;
    return share_a_pod(store, a, b);
}

static void tell(struct conflicts *conflicts, const struct object *policy, const char *text,
                 struct map *still)
{
    char origin[ORIGIN_BYTES], line[1024];
    snprintf(origin, sizeof(origin), "%s/%s/%s", object_kind_name(policy->kind), policy->namespace,
             policy->name);
    snprintf(line, sizeof(line), "%s:%u: %s", policy->file, policy->line, text);
    /* Short of memory the problem is told again at the next change, or stays a while too long. */
    if (!map_set(still, slice_str(origin), conflicts, NULL))
        return;
    if (problems_set(conflicts->problems, origin, line))
        LOG(LOG_WARN, "policy_conflict", LOG_S("error", line));
}

static bool check_targets(struct conflicts *conflicts, const struct traffic_policy *policy,
                          struct map *still)
{
    const struct object *object = &policy->object;
    for (size_t i = 0; i < policy->services.n; i++) {
        const char *name = policy->services.list[i];
        if (store_get(conflicts->store, OBJECT_SERVICE, object->namespace, name))
            continue;
        char text[512];
        snprintf(text, sizeof(text), "spec.targetRefs[%zu].name: there is no Service %s/%s", i,
                 object->namespace, name);
        tell(conflicts, object, text, still);
        return true;
    }
    return false;
}

/* The policies that stand in the way of policies[at]; the list is one namespace's. */
static void check_policy(struct conflicts *conflicts, struct found policies, size_t at,
                         struct map *still)
{
    const struct traffic_policy *policy = (const struct traffic_policy *)policies.list[at];
    if (check_targets(conflicts, policy, still))
        return;
    for (size_t i = 0; i < policies.n; i++) {
        const struct traffic_policy *other = (const struct traffic_policy *)policies.list[i];
        if (i == at || object_precedence(&other->object, &policy->object) > 0)
            continue;
        const char *path = differing_setting(policy, other);
        if (!path || !speak_of_the_same(conflicts->store, policy, other))
            continue;
        char text[512];
        snprintf(text, sizeof(text), "%s: TrafficPolicy %s/%s sets it otherwise and goes first",
                 path, other->object.namespace, other->object.name);
        tell(conflicts, &policy->object, text, still);
        return;
    }
}

static void check_all(struct conflicts *conflicts)
{
    char key[STORE_KEY_BYTES];
    struct map still = {0};
    struct found all = store_find(conflicts->store, key_of_kind(key, OBJECT_TRAFFIC_POLICY));
    /* Sorted by namespace, so that each namespace is one stretch of it. */
    for (size_t first = 0, end; first < all.n; first = end) {
        for (end = first; end < all.n; end++)
            if (strcmp(all.list[end]->namespace, all.list[first]->namespace) != 0)
                break;
        struct found policies = {all.list + first, end - first};
        for (size_t i = 0; i < policies.n; i++)
            check_policy(conflicts, policies, i, &still);
    }
    MAP_EACH(entry, &conflicts->told) {
        if (!map_get(&still, entry->key))
            problems_clear(conflicts->problems, entry->key.ptr);
    }
    map_fini(&conflicts->told, NULL);
    conflicts->told = still;
}

static void on_change(void *context, const struct map *changed)
{
    static const enum object_kind kinds[] = {OBJECT_TRAFFIC_POLICY, OBJECT_SERVICE, OBJECT_POD};
    char key[STORE_KEY_BYTES];
    bool concerns_us = changed == NULL;
    for (size_t i = 0; !concerns_us && i < sizeof(kinds) / sizeof(kinds[0]); i++)
        concerns_us = map_get(changed, slice_str(key_of_kind(key, kinds[i])));
    if (concerns_us)
        check_all(context);
}

struct conflicts *conflicts_new(struct store *store, struct problems *problems)
{
    struct conflicts *conflicts = calloc(1, sizeof(*conflicts));
    if (!conflicts)
        return NULL;
    conflicts->store = store;
    conflicts->problems = problems;
    check_all(conflicts);
    store_listen(store, on_change, conflicts);
    return conflicts;
}

void conflicts_free(struct conflicts *conflicts)
{
    if (!conflicts)
        return;
    map_fini(&conflicts->told, NULL);
    free(conflicts);
}

#include "controller/compile/retries.h"

#include "controller/objects/keys.h"
#include "controller/objects/traffic_policy.h"

/* Of each setting the policy that goes first; NULL when none sets it. */
struct chosen {
    const struct traffic_policy *retries, *percent, *min_per_second;
};

static bool policy_names(const struct traffic_policy *policy, const struct service *service)
{
    for (size_t i = 0; i < policy->services.n; i++)
        if (strcmp(policy->services.list[i], service->object.name) == 0)
            return true;
    return false;
}

static void choose(const struct traffic_policy **chosen, const struct traffic_policy *policy,
                   bool is_set)
{
    if (is_set && (!*chosen || object_precedence(&policy->object, &(*chosen)->object) < 0))
        *chosen = policy;
}

static struct chosen choose_policies(struct compile *compile, const struct service *service)
{
    char key[STORE_KEY_BYTES];
    struct chosen chosen = {0};
    struct found found = compile_find(
        compile, key_of_namespace(key, OBJECT_TRAFFIC_POLICY, service->object.namespace));
    for (size_t i = 0; i < found.n; i++) {
        const struct traffic_policy *policy = (const struct traffic_policy *)found.list[i];
        if (!policy_names(policy, service))
            continue;
        choose(&chosen.retries, policy, policy->service.retries.is_set);
        choose(&chosen.percent, policy, policy->service.retry_budget.percent);
        choose(&chosen.min_per_second, policy, policy->service.retry_budget.min_per_second);
    }
    return chosen;
}

static void fill_budget(struct compile *compile, const struct chosen *chosen,
                        Outrigger__V1__Service *message)
{
    if (!chosen->percent && !chosen->min_per_second)
        return;
    Outrigger__V1__RetryBudget *budget = compile_take(compile, 1, sizeof(*budget));
    if (!budget)
        return;
    outrigger__v1__retry_budget__init(budget);
    if (chosen->percent)
        budget->percent = chosen->percent->service.retry_budget.percent;
    if (chosen->min_per_second)
        budget->min_per_second = chosen->min_per_second->service.retry_budget.min_per_second;
    message->retry_budget = budget;
}

static Outrigger__V1__Retry *retry_make(struct compile *compile,
                                        const struct traffic_retries *retries)
{
    Outrigger__V1__Retry *retry = compile_take(compile, 1, sizeof(*retry));
    uint32_t *statuses = compile_take(compile, retries->n_statuses, sizeof(*statuses));
    if (!retry || !statuses)
        return NULL;
    outrigger__v1__retry__init(retry);
    for (size_t i = 0; i < retries->n_statuses; i++)
        statuses[i] = retries->statuses[i];
    retry->attempts = retries->attempts;
    retry->statuses = statuses;
    retry->n_statuses = retries->n_statuses;
    retry->grpc_codes = (uint32_t *)(uintptr_t)retries->grpc_codes;
    retry->n_grpc_codes = retries->n_grpc_codes;
    retry->on_connect_failure = retries->on_connect_failure;
    retry->on_reset = retries->on_reset;
    retry->backoff_ms = retries->backoff_ms;
    return retry;
}

/* One rule for everything, with the backends that the Service has without routes. */
static bool add_own_rule(struct compile *compile, const struct service *service,
                         Outrigger__V1__Service *message)
{
    Outrigger__V1__RouteRule *rule = compile_take(compile, 1, sizeof(*rule));
    Outrigger__V1__RouteMatch *match = compile_take(compile, 1, sizeof(*match));
    message->rules = compile_take(compile, 1, sizeof(*message->rules));
    message->matches = compile_take(compile, 1, sizeof(*message->matches));
    Outrigger__V1__RouteBackend **backends =
        compile_take(compile, message->n_backends, sizeof(*backends));
    if (!rule || !match || !message->rules || !message->matches || !backends)
        return false;
    outrigger__v1__route_rule__init(rule);
    outrigger__v1__route_match__init(match);
    rule->name =
        compile_text(compile, "Service/%s/%s/0", service->object.namespace, service->object.name);
    rule->backends = backends;
    for (size_t i = 0; i < message->n_backends; i++) {
        if (!(backends[i] = compile_take(compile, 1, sizeof(**backends))))
            return false;
        outrigger__v1__route_backend__init(backends[i]);
        backends[i]->endpoints = message->backends[i]->endpoints;
        backends[i]->weight = message->backends[i]->weight;
        backends[i]->service = message->name;
        backends[i]->protocol = message->protocol;
        rule->n_backends++;
    }
    message->rules[message->n_rules++] = rule;
    message->matches[message->n_matches++] = match;
    return true;
}

/* An attempt may not take longer than the whole. */
static uint64_t attempt_ms(const Outrigger__V1__RouteRule *rule, uint64_t per_try_ms)
{
    bool is_shorter = rule->request_timeout_ms && rule->request_timeout_ms < per_try_ms;
    return is_shorter ? rule->request_timeout_ms : per_try_ms;
}

void retries_compile(struct compile *compile, const struct service *service,
                     Outrigger__V1__Service *message)
{
    struct chosen chosen = choose_policies(compile, service);
    fill_budget(compile, &chosen, message);
    if (!chosen.retries || (message->n_rules == 0 && !add_own_rule(compile, service, message)))
        return;
    const struct traffic_retries *retries = &chosen.retries->service.retries;
    Outrigger__V1__Retry *retry = retry_make(compile, retries);
    for (size_t i = 0; retry && i < message->n_rules; i++) {
        Outrigger__V1__RouteRule *rule = message->rules[i];
        if (!rule->retry)
            rule->retry = retry;
        if (rule->backend_timeout_ms == 0)
            rule->backend_timeout_ms = attempt_ms(rule, retries->per_try_timeout_ms);
    }
}

#include "controller/delta/state.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "controller/delta/response.h"

#define NACK_NAMES_BYTES 400 /* a log field holds 512 */

static const enum resource_type send_order[RESOURCE_TYPES] = {RESOURCE_WORKLOAD, RESOURCE_ENDPOINTS,
                                                              RESOURCE_SERVICE};

void delta_state_init(struct delta_state *state, struct delta_cache *cache,
                      struct delta_counters *counters, struct slice namespace,
                      struct slice service_account, const struct delta_state_events *events,
                      void *context)
{
    *state = (struct delta_state){.cache = cache,
                                  .counters = counters,
                                  .namespace = namespace,
                                  .service_account = service_account,
                                  .events = events,
                                  .context = context};
    for (size_t i = 0; i < RESOURCE_TYPES; i++)
        list_init(&state->due[i]);
}

static void subscription_free(struct delta_subscription *subscription)
{
    struct delta_state *state = subscription->state;
    list_remove(&subscription->entry_node);
    list_remove(&subscription->due_node);
    delta_cache_release(state->cache, subscription->entry);
    state->n_subscriptions--;
    free(subscription);
}

void delta_state_fini(struct delta_state *state)
{
    for (size_t i = 0; i < RESOURCE_TYPES; i++) {
        MAP_EACH(item, &state->subscriptions[i])
            subscription_free(item->value);
        map_fini(&state->subscriptions[i], NULL);
    }
}

/* What the peer may see of the entry; NULL when there is nothing, for it. */
static const struct resource *subscription_view(const struct delta_subscription *subscription)
{
    const struct resource *resource =
        resource_for(subscription->entry->resource, subscription->state->namespace);
    if (!resource->exists)
        return NULL;
    if (resource->type == RESOURCE_WORKLOAD &&
        (!slice_eq_str(subscription->state->namespace, resource->namespace) ||
         !slice_eq_str(subscription->state->service_account, resource->service_account)))
        return NULL;
    return resource;
}

/* Would an answer say what the peer knows already? */
static bool subscription_is_told(const struct delta_subscription *subscription)
{
    if (subscription->is_asked)
        return false;
    const struct resource *view = subscription_view(subscription);
    if (!view)
        return subscription->told == DELTA_TOLD_REMOVED;
    return subscription->told == DELTA_TOLD_RESOURCE &&
           slice_eq_str(slice_str(subscription->version), view->version);
}

static void subscription_owe(struct delta_subscription *subscription)
{
    struct delta_state *state = subscription->state;
    if (!list_is_empty(&subscription->due_node))
        return;
    list_append(&state->due[subscription->entry->type], &subscription->due_node);
    state->events->on_due(state->context);
}

void delta_state_changed(struct delta_entry *entry)
{
    LIST_EACH(node, &entry->subscribers) {
        struct delta_subscription *subscription =
            LIST_ENTRY(node, struct delta_subscription, entry_node);
        if (!subscription_is_told(subscription))
            subscription_owe(subscription);
    }
}

static bool is_wildcard(const char *name)
{
    return name[0] == '*' && name[1] == '\0';
}

static bool subscribe(struct delta_state *state, enum resource_type type, const char *name,
                      struct err *err)
{
    struct delta_subscription *subscription = map_get(&state->subscriptions[type], slice_str(name));
    if (subscription) {
        subscription->is_asked = true;
        subscription_owe(subscription);
        return true;
    }
    if (state->n_subscriptions >= DELTA_SUBSCRIPTIONS_MAX)
        return err_set(err, "more than %d subscriptions", DELTA_SUBSCRIPTIONS_MAX);
    struct delta_entry *entry = delta_cache_want(state->cache, type, name);
    subscription = entry ? calloc(1, sizeof(*subscription)) : NULL;
    if (!subscription ||
        !map_set(&state->subscriptions[type], slice_str(name), subscription, NULL)) {
        free(subscription);
        if (entry)
            delta_cache_release(state->cache, entry);
        return err_set(err, "out of memory");
    }
    subscription->state = state;
    subscription->entry = entry;
    list_append(&entry->subscribers, &subscription->entry_node);
    list_init(&subscription->due_node);
    state->n_subscriptions++;
    subscription_owe(subscription);
    return true;
}

/* What the peer says it holds, from before this stream, and really is as of now. */
static void believe(struct delta_state *state, enum resource_type type, const char *name,
                    const char *version)
{
    struct delta_subscription *subscription = map_get(&state->subscriptions[type], slice_str(name));
    const struct resource *view = subscription ? subscription_view(subscription) : NULL;
    if (!view || !slice_eq_str(slice_str(version), view->version))
        return;
    subscription->told = DELTA_TOLD_RESOURCE;
    subscription->is_asked = false;
    memcpy(subscription->version, view->version, sizeof(subscription->version));
    memcpy(subscription->acked, view->version, sizeof(subscription->acked));
    list_remove(&subscription->due_node);
}

static bool close_in_flight(struct delta_state *state, enum resource_type type, uint64_t nonce)
{
    for (size_t i = 0; i < state->n_in_flight; i++) {
        if (state->in_flight[i].nonce != nonce || state->in_flight[i].type != type)
            continue;
        state->in_flight_bytes -= state->in_flight[i].bytes;
        state->n_in_flight--;
        memmove(&state->in_flight[i], &state->in_flight[i + 1],
                (state->n_in_flight - i) * sizeof(state->in_flight[0]));
        return true;
    }
    return false;
}

static bool nonce_parse(const char *text, uint64_t *nonce)
{
    char *end;
    *nonce = strtoull(text, &end, 10);
    return text[0] >= '1' && text[0] <= '9' && *end == '\0';
}

/* What does not fit is counted, not cut: half a name would be another one. */
static void add_name(struct buf *names, const char *name, size_t *n_left_out)
{
    const char *comma = buf_len(names) ? "," : "";
    if (!buf_printf(names, "%s%s", comma, name))
        ++*n_left_out;
}

static void refuse(struct delta_state *state, enum resource_type type, uint64_t nonce,
                   const Google__Rpc__Status *detail)
{
    struct buf names;
    buf_init(&names, NACK_NAMES_BYTES);
    size_t n_left_out = 0;
    bool is_repeated = true;
    MAP_EACH(item, &state->subscriptions[type]) {
        struct delta_subscription *subscription = item->value;
        if (subscription->nonce != nonce)
            continue;
        is_repeated = is_repeated && subscription->is_refused;
        subscription->is_refused = true;
        add_name(&names, subscription->entry->name, &n_left_out);
    }
    state->n_nacks++;
    state->counters->nacks[type]++;
    const struct delta_nack nack = {.type = type,
                                    .names = buf_slice(&names),
                                    .n_left_out = n_left_out,
                                    .code = detail->code,
                                    .message = detail->message,
                                    .is_repeated = is_repeated && buf_len(&names) > 0};
    state->events->on_nack(state->context, &nack);
    buf_fini(&names);
}

static void accept_all(struct delta_state *state, enum resource_type type, uint64_t nonce)
{
    state->counters->acks[type]++;
    MAP_EACH(item, &state->subscriptions[type]) {
        struct delta_subscription *subscription = item->value;
        if (subscription->nonce == nonce) {
            memcpy(subscription->acked, subscription->version, sizeof(subscription->acked));
            subscription->is_refused = false;
        }
    }
}

static bool has_due(const struct delta_state *state)
{
    for (size_t i = 0; i < RESOURCE_TYPES; i++)
        if (!list_is_empty(&state->due[i]))
            return true;
    return false;
}

static void settle(struct delta_state *state, enum resource_type type,
                   const DeltaDiscoveryRequest *request)
{
    uint64_t nonce;
    if (!nonce_parse(request->response_nonce, &nonce) || !close_in_flight(state, type, nonce)) {
        state->counters->stale_nonces[type]++;
        return;
    }
    if (request->error_detail)
        refuse(state, type, nonce, request->error_detail);
    else
        accept_all(state, type, nonce);
    if (has_due(state)) /* it may have waited for this */
        state->events->on_due(state->context);
}

bool delta_state_request(struct delta_state *state, enum resource_type type,
                         const DeltaDiscoveryRequest *request, struct err *err)
{
    bool is_first = !state->has_begun[type];
    state->has_begun[type] = true;
    if (request->response_nonce[0] != '\0')
        settle(state, type, request);
    for (size_t i = 0; i < request->n_resource_names_unsubscribe; i++) {
        struct delta_subscription *subscription = map_remove(
            &state->subscriptions[type], slice_str(request->resource_names_unsubscribe[i]));
        if (subscription)
            subscription_free(subscription);
    }
    for (size_t i = 0; i < request->n_resource_names_subscribe; i++)
        if (!is_wildcard(request->resource_names_subscribe[i]) &&
            !subscribe(state, type, request->resource_names_subscribe[i], err))
            return false;
    for (size_t i = 0; is_first && i < request->n_initial_resource_versions; i++)
        believe(state, type, request->initial_resource_versions[i]->key,
                request->initial_resource_versions[i]->value);
    return true;
}

/* Writes the answer that is owed. False when the message is spoilt. */
static bool tell(struct delta_subscription *subscription, uint64_t nonce, struct buf *out)
{
    struct delta_state *state = subscription->state;
    const struct delta_entry *entry = subscription->entry;
    const struct resource *view = subscription_view(subscription);
    if (view) {
        if (!delta_response_resource(out, resource_type_url(entry->type), entry->name,
                                     view->version, view->bytes))
            return false;
        if (!slice_eq_str(slice_str(subscription->version), view->version))
            subscription->is_refused = false;
        memcpy(subscription->version, view->version, sizeof(subscription->version));
        subscription->told = DELTA_TOLD_RESOURCE;
        state->counters->resources[entry->type]++;
    } else {
        if (!delta_response_removed(out, entry->name))
            return false;
        subscription->version[0] = '\0';
        subscription->is_refused = false;
        subscription->told = DELTA_TOLD_REMOVED;
        state->counters->removed[entry->type]++;
        if (entry->resource->exists && !subscription->is_hidden) {
            subscription->is_hidden = true;
            state->events->on_hidden(state->context, entry);
        }
    }
    subscription->nonce = nonce;
    subscription->is_asked = false;
    list_remove(&subscription->due_node);
    return true;
}

/* What appending the answer costs; 0 when there is nothing to append after all. */
static size_t tell_cost(struct delta_subscription *subscription)
{
    const struct delta_entry *entry = subscription->entry;
    const struct resource *view = subscription_view(subscription);
    if (subscription_is_told(subscription)) /* it changed back before it was sent */
        return 0;
    size_t cost = delta_response_cost(resource_type_url(entry->type), entry->name,
                                      view ? view->bytes : (struct slice){0});
    if (cost <= DELTA_RESPONSE_MAX - DELTA_RESPONSE_HEAD)
        return cost;
    subscription->state->events->on_too_large(subscription->state->context, entry);
    return 0;
}

static enum delta_next next_of_type(struct delta_state *state, enum resource_type type,
                                    struct buf *out)
{
    uint64_t nonce = state->last_nonce + 1;
    char nonce_text[24];
    snprintf(nonce_text, sizeof(nonce_text), "%" PRIu64, nonce);
    bool has_any = false;
    LIST_EACH(node, &state->due[type]) {
        struct delta_subscription *subscription =
            LIST_ENTRY(node, struct delta_subscription, due_node);
        size_t cost = tell_cost(subscription);
        if (cost == 0) {
            list_remove(&subscription->due_node);
            continue;
        }
        if (has_any && buf_len(out) + cost > DELTA_RESPONSE_BYTES)
            break;
        if ((!has_any && !delta_response_begin(out, resource_type_url(type), nonce_text)) ||
            !tell(subscription, nonce, out))
            return DELTA_SHORT;
        has_any = true;
    }
    if (!has_any)
        return DELTA_IDLE;
    state->last_nonce = nonce;
    state->in_flight[state->n_in_flight++] =
        (struct delta_in_flight){nonce, type, (uint32_t)buf_len(out)};
    state->in_flight_bytes += buf_len(out);
    state->counters->responses[type]++;
    return DELTA_RESPONSE;
}

enum delta_next delta_state_next(struct delta_state *state, struct buf *out)
{
    if (state->n_in_flight >= DELTA_IN_FLIGHT_MAX ||
        state->in_flight_bytes >= DELTA_IN_FLIGHT_BYTES)
        return DELTA_IDLE;
    assert(buf_len(out) == 0);
    enum delta_next next = DELTA_IDLE;
    for (size_t i = 0; i < RESOURCE_TYPES && next == DELTA_IDLE; i++)
        next = next_of_type(state, send_order[i], out);
    return next;
}

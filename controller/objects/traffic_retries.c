#include "controller/objects/traffic_retries.h"

#include "controller/objects/grpc_failure.h"

#define COUNT(array)   (sizeof(array) / sizeof((array)[0]))
#define ATTEMPTS_MAX   10
#define ON_MAX         64
#define BACKOFF_MAX_MS (60ull * 1000)
#define PER_TRY_MAX_MS (24ull * 3600 * 1000)
#define BUDGET_MAX     1000000

/* Words, statuses and names of gRPC codes. Not `on`, which YAML 1.1 takes for true. */
static void read_on(const struct field *on, struct traffic_retries *retries)
{
    struct arena *arena = on->reading->arena;
    size_t n = field_count_some(on);
    if (n > ON_MAX)
        field_fail(on, "has more than %d items", ON_MAX);
    uint16_t *statuses = arena_take_array(arena, n, sizeof(*statuses));
    uint32_t *codes = arena_take_array(arena, n, sizeof(*codes));
    struct field item = {0};
    if (n == 0 || on->reading->has_failed || !field_has_memory(on, statuses) ||
        !field_has_memory(on, codes))
        return;
    while (field_next_item(on, &item)) {
        if (field_is_number(&item)) {
            statuses[retries->n_statuses++] = (uint16_t)field_uint(&item, 400, 599, 0);
            continue;
        }
        struct slice text = field_slice(&item);
        uint32_t code = grpc_failure_parse(text);
        if (slice_eq_str(text, "ConnectFailure"))
            retries->on_connect_failure = true;
        else if (slice_eq_str(text, "Reset"))
            retries->on_reset = true;
        else if (code)
            codes[retries->n_grpc_codes++] = code;
        else
            field_fail(&item,
                       "\"%.*s\" is none of ConnectFailure, Reset, an HTTP status (400-599) and "
                       "the name of a gRPC code, as Unavailable",
                       SLICE_ARG(text));
    }
    retries->statuses = statuses;
    retries->grpc_codes = codes;
}

static void read_retries(const struct field *field, struct traffic_retries *retries)
{
    static const char *const names[] = {"attempts", "retryOn", "perTryTimeout", "backoff"};
    if (!field_is_set(field))
        return;
    field_allow_only(field, names, COUNT(names));
    struct field attempts = field_get(field, "attempts");
    struct field on = field_get(field, "retryOn");
    struct field timeout = field_get(field, "perTryTimeout");
    struct field backoff = field_get(field, "backoff");
    retries->is_set = true;
    retries->attempts = (uint32_t)field_uint(&attempts, 0, ATTEMPTS_MAX, 1);
    retries->per_try_timeout_ms = field_duration_ms(&timeout, 1, PER_TRY_MAX_MS);
    retries->backoff_ms = field_duration_ms(&backoff, 1, BACKOFF_MAX_MS);
    retries->on_connect_failure = retries->on_reset = !field_is_set(&on);
    read_on(&on, retries);
}

void traffic_retries_read(const struct field *service, struct traffic_retries *retries,
                          struct traffic_retry_budget *budget)
{
    static const char *const names[] = {"percent", "minPerSecond"};
    struct field field = field_get(service, "retries");
    struct field budget_field = field_get(service, "retryBudget");
    read_retries(&field, retries);
    if (!field_is_set(&budget_field))
        return;
    field_allow_only(&budget_field, names, COUNT(names));
    struct field percent = field_get(&budget_field, "percent");
    struct field min = field_get(&budget_field, "minPerSecond");
    if (!field_is_set(&percent) && !field_is_set(&min))
        field_fail(&budget_field, "sets nothing: expected percent or minPerSecond");
    budget->percent = (uint32_t)field_uint(&percent, 1, 100, 0);
    budget->min_per_second = (uint32_t)field_uint(&min, 1, BUDGET_MAX, 0);
}

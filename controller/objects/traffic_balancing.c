#include "controller/objects/traffic_balancing.h"

#include <string.h>

#include "common/http/chars.h"
#include "controller/objects/value.h"

#define COUNT(array)      (sizeof(array) / sizeof((array)[0]))
#define SLOW_START_MAX_MS (24ull * 3600 * 1000)
#define COOKIE_TTL_MAX_MS (366ull * 24 * 3600 * 1000)

static void read_cookie(const struct field *cookie, struct traffic_hash_on *hash_on)
{
    static const char *const names[] = {"name", "ttl"};
    field_allow_only(cookie, names, COUNT(names));
    struct field name = field_get(cookie, "name"), ttl = field_get(cookie, "ttl");
    field_require(&name);
    hash_on->name = field_text(&name);
    hash_on->ttl_ms = field_duration_ms(&ttl, 1000, COOKIE_TTL_MAX_MS);
    if (field_is_set(&name) && !http_is_token(field_slice(&name)))
        field_fail(&name, "\"%s\" is no name of a cookie: expected a token", hash_on->name);
}

static void read_hash_on(const struct field *item, struct traffic_hash_on *hash_on)
{
    static const char *const names[] = {"header", "cookie", "query", "sourceIP"};
    struct field kinds[COUNT(names)];
    unsigned n_set = 0;
    field_allow_only(item, names, COUNT(names));
    hash_on->name = "";
    for (size_t i = 0; i < COUNT(names); i++) {
        kinds[i] = field_get(item, names[i]);
        if (!field_is_set(&kinds[i]))
            continue;
        n_set++;
        hash_on->source = (enum traffic_hash_source)(i + 1);
    }
    if (n_set != 1) {
        field_fail(item, "expected exactly one of header, cookie, query, sourceIP");
        return;
    }
    const struct field *kind = &kinds[hash_on->source - 1];
    switch (hash_on->source) {
    case TRAFFIC_HASH_HEADER:
        hash_on->name = field_header_name(kind);
        break;
    case TRAFFIC_HASH_COOKIE:
        read_cookie(kind, hash_on);
        break;
    case TRAFFIC_HASH_QUERY:
        hash_on->name = field_text(kind);
        if (!*hash_on->name)
            field_fail(kind, "is empty: expected the name of a parameter");
        break;
    case TRAFFIC_HASH_SOURCE:
        if (!field_bool(kind, false))
            field_fail(kind, "expected true");
        break;
    }
}

static void read_list(const struct field *list, struct traffic_balancing *balancing)
{
    size_t n = field_count_some(list);
    if (n > TRAFFIC_HASH_ON_MAX)
        field_fail(list, "has more than %d items", TRAFFIC_HASH_ON_MAX);
    if (n == 0 || list->reading->has_failed)
        return;
    struct traffic_hash_on *made = arena_take_array(list->reading->arena, n, sizeof(*made));
    if (!field_has_memory(list, made))
        return;
    memset(made, 0, n * sizeof(*made));
    struct field item = {0};
    while (field_next_item(list, &item))
        read_hash_on(&item, &made[item.index]);
    balancing->hash_on = made;
    balancing->n_hash_on = n;
}

void traffic_balancing_read(const struct field *field, struct traffic_balancing *balancing)
{
    static const char *const names[] = {"algorithm", "hashOn", "slowStart"};
    static const char *const algorithms[] = {"P2CPeakEWMA", "RoundRobin", "LeastRequest",
                                             "Random",      "RingHash",   "Maglev"};
    enum { RING_HASH = 5 };
    if (!field_is_set(field))
        return;
    field_allow_only(field, names, COUNT(names));
    struct field algorithm = field_get(field, "algorithm"), list = field_get(field, "hashOn");
    struct field slow_start = field_get(field, "slowStart");
    field_require(&algorithm);
    balancing->algorithm = field_choice(&algorithm, algorithms, COUNT(algorithms)) + 1;
    balancing->slow_start_ms = field_duration_ms(&slow_start, 1, SLOW_START_MAX_MS);
    if (field_is_set(&list))
        read_list(&list, balancing);
    if (balancing->algorithm >= RING_HASH && !field_is_set(&list))
        field_fail(field, "hashOn is missing: RingHash and Maglev choose by it");
    if (balancing->algorithm > 0 && balancing->algorithm < RING_HASH && field_is_set(&list))
        field_fail(&list, "is for the algorithms RingHash and Maglev only");
    if (balancing->algorithm >= RING_HASH && field_is_set(&slow_start))
        field_fail(&slow_start, "is not for the algorithms RingHash and Maglev, which do not weigh "
                                "by the moment");
}

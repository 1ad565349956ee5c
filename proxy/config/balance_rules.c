#include "proxy/config/balance_rules.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/http/chars.h"
#include "common/http/pattern.h"
#include "proxy/wire.h"

#define SLOW_START_MAX_MS (24ull * 3600 * 1000)
#define COOKIE_TTL_MAX_MS (366ull * 24 * 3600 * 1000)

/* One that is not known is answered with the one that is best without knowing more. */
static enum balance_algorithm algorithm_of(int message)
{
    return message >= BALANCE_P2C_PEAK_EWMA && message <= BALANCE_MAGLEV
               ? (enum balance_algorithm)message
               : BALANCE_P2C_PEAK_EWMA;
}

const char *balance_algorithm_name(enum balance_algorithm algorithm)
{
    static const char *const names[] = {
        [BALANCE_P2C_PEAK_EWMA] = "p2c_peak_ewma", [BALANCE_ROUND_ROBIN] = "round_robin",
        [BALANCE_LEAST_REQUEST] = "least_request", [BALANCE_RANDOM] = "random",
        [BALANCE_RING_HASH] = "ring_hash",         [BALANCE_MAGLEV] = "maglev"};
    return names[algorithm];
}

const char *hash_source_name(enum hash_source source)
{
    static const char *const names[] = {[HASH_HEADER] = "header",
                                        [HASH_COOKIE] = "cookie",
                                        [HASH_QUERY] = "query",
                                        [HASH_SOURCE] = "source"};
    return names[source];
}

static bool hash_on_build(struct hash_on *hash_on, const Outrigger__V1__HashOn *message,
                          struct err *err)
{
    if (message->source < OUTRIGGER__V1__HASH_SOURCE__HASH_HEADER ||
        message->source > OUTRIGGER__V1__HASH_SOURCE__HASH_SOURCE)
        return err_set(err, "source: %d is not known", (int)message->source);
    hash_on->source = (enum hash_source)message->source;
    hash_on->ttl_sec = message->ttl_ms / 1000;
    if (!wire_at_most(message->ttl_ms, COOKIE_TTL_MAX_MS, "ttl_ms", err))
        return false;
    struct slice name = slice_str(message->name);
    bool is_named = hash_on->source != HASH_SOURCE;
    if (is_named != (name.len > 0))
        return err_set(err, "name: %s", is_named ? "is missing" : "must be empty");
    /* A cookie's name is a token too (RFC 6265 4.1.1), and goes into a header that we write. */
    if (hash_on->source == HASH_HEADER && !pattern_check(PATTERN_HEADER_NAME, name, err))
        return err_prefix(err, "name");
    if (hash_on->source == HASH_COOKIE && !http_is_token(name))
        return err_set(err, "name: no token");
    return (hash_on->name = wire_text(message->name, "name", err)) != NULL;
}

bool balance_rules_build(struct balance_rules *rules, const Outrigger__V1__Service *message,
                         struct err *err)
{
    const Outrigger__V1__BalancingRules *set = message->balancing_rules;
    rules->algorithm = algorithm_of((int)message->balancing);
    if (!set)
        return true;
    if (!wire_at_most(set->slow_start_ms, SLOW_START_MAX_MS, "slow_start_ms", err) ||
        !wire_at_most(set->n_hash_on, HASH_ON_MAX, "hash_on: their number", err))
        return false;
    rules->slow_start_ns = set->slow_start_ms * NS_PER_MS;
    if (set->n_hash_on == 0)
        return true;
    rules->hash_on = calloc(set->n_hash_on, sizeof(*rules->hash_on));
    if (!rules->hash_on)
        return err_set(err, "out of memory");
    for (size_t i = 0; i < set->n_hash_on; i++) {
        rules->n_hash_on++;
        if (!hash_on_build(&rules->hash_on[i], set->hash_on[i], err))
            return wire_at(err, "hash_on[%zu]", i);
    }
    return true;
}

void balance_rules_fini(struct balance_rules *rules)
{
    for (size_t i = 0; i < rules->n_hash_on; i++)
        free(rules->hash_on[i].name);
    free(rules->hash_on);
}

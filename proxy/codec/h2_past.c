#include "proxy/codec/h2_past.h"

#include <string.h>

static unsigned index_of(uint32_t id)
{
    return (id >> 1) % H2_PAST_STREAMS;
}

static void set(uint64_t *bits, uint32_t id, bool value)
{
    uint64_t bit = 1ull << (index_of(id) % 64);
    if (value)
        bits[index_of(id) / 64] |= bit;
    else
        bits[index_of(id) / 64] &= ~bit;
}

static bool is_set(const uint64_t *bits, uint32_t id)
{
    return bits[index_of(id) / 64] >> (index_of(id) % 64) & 1;
}

static bool is_remembered(const struct h2_past *past, uint32_t id)
{
    return id % 2 == 1 && id <= past->newest && past->newest - id < 2 * H2_PAST_STREAMS;
}

/* The places of the streams between are those of streams that are now too old. */
static void forget_old(struct h2_past *past, uint32_t id)
{
    uint32_t from = past->newest ? past->newest + 2 : 1;
    if (id - from >= 2 * H2_PAST_STREAMS) {
        memset(past->opened, 0, sizeof(past->opened));
        memset(past->ended, 0, sizeof(past->ended));
        return;
    }
    for (uint32_t each = from; each <= id; each += 2) {
        set(past->opened, each, false);
        set(past->ended, each, false);
    }
}

void h2_past_open(struct h2_past *past, uint32_t id)
{
    if (id > past->newest) {
        forget_old(past, id);
        past->newest = id;
    }
    if (is_remembered(past, id))
        set(past->opened, id, true);
}

void h2_past_end(struct h2_past *past, uint32_t id)
{
    if (is_remembered(past, id))
        set(past->ended, id, true);
}

enum h2_past_state h2_past_state(const struct h2_past *past, uint32_t id)
{
    if (!is_remembered(past, id))
        return H2_PAST_UNKNOWN;
    if (!is_set(past->opened, id))
        return H2_PAST_SKIPPED;
    return is_set(past->ended, id) ? H2_PAST_ENDED : H2_PAST_UNKNOWN;
}

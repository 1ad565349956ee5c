#include "common/regex.h"

#include <stdlib.h>

#include "common/regex_code.h"

/* States in the order in which they were reached, none twice. */
struct states {
    size_t n;
    uint16_t list[REGEX_STATES_MAX];
    uint64_t has[REGEX_STATES_MAX / 64];
};

struct regex *regex_new(struct slice expression, struct err *err)
{
    struct regex *regex = calloc(1, sizeof(*regex));
    if (!regex) {
        err_set(err, "out of memory");
        return NULL;
    }
    if (regex_parse(regex, expression, err))
        return regex;
    regex_free(regex);
    return NULL;
}

void regex_free(struct regex *regex)
{
    if (!regex)
        return;
    free(regex->code);
    free(regex->classes);
    free(regex);
}

static void states_clear(struct states *states, size_t n_code)
{
    states->n = 0;
    memset(states->has, 0, (n_code + 63) / 64 * sizeof(states->has[0]));
}

static bool states_add(struct states *states, size_t at)
{
    if (states->has[at >> 6] >> (at & 63) & 1)
        return false;
    states->has[at >> 6] |= 1ull << (at & 63);
    states->list[states->n++] = (uint16_t)at;
    return true;
}

/* What can be reached from the states without a byte, appended to them; each is looked at once. */
static void states_close(const struct regex *regex, struct states *states, bool is_begin,
                         bool is_end)
{
    for (size_t i = 0; i < states->n; i++) {
        size_t at = states->list[i];
        const struct regex_inst *inst = &regex->code[at];
        switch ((enum regex_op)inst->op) {
        case REGEX_JUMP:
            states_add(states, at + (size_t)(ptrdiff_t)inst->x);
            break;
        case REGEX_SPLIT:
            states_add(states, at + (size_t)(ptrdiff_t)inst->x);
            states_add(states, at + (size_t)(ptrdiff_t)inst->y);
            break;
        case REGEX_BEGIN:
        case REGEX_END:
            if (inst->op == REGEX_BEGIN ? is_begin : is_end)
                states_add(states, at + 1);
            break;
        case REGEX_BYTE:
        case REGEX_CLASS:
        case REGEX_MATCH:
            break;
        }
    }
}

static void states_step(const struct regex *regex, const struct states *from, uint8_t byte,
                        struct states *to)
{
    states_clear(to, regex->n);
    for (size_t i = 0; i < from->n; i++) {
        const struct regex_inst *inst = &regex->code[from->list[i]];
        bool is_met =
            inst->op == REGEX_BYTE
                ? inst->byte == byte
                : inst->op == REGEX_CLASS && regex_class_has(&regex->classes[inst->class], byte);
        if (is_met)
            states_add(to, from->list[i] + 1u);
    }
}

bool regex_matches(const struct regex *regex, struct slice text)
{
    struct states sets[2];
    struct states *now = &sets[0], *next = &sets[1];
    states_clear(now, regex->n);
    states_add(now, 0);
    states_close(regex, now, true, text.len == 0);
    for (size_t i = 0; i < text.len && now->n > 0; i++) {
        states_step(regex, now, (uint8_t)text.ptr[i], next);
        states_close(regex, next, false, i + 1 == text.len);
        struct states *swap = now;
        now = next;
        next = swap;
    }
    size_t match = regex->n - 1;
    return now->n > 0 && (now->has[match >> 6] >> (match & 63) & 1);
}

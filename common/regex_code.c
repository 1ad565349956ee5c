#include "common/regex_code.h"

#include <stdlib.h>

static bool set_why(struct regex *regex, const char *why)
{
    regex->why = why;
    return false;
}

/* n instructions of room at `at`, moving what is behind. Their content is for the caller. */
static bool regex_code_insert(struct regex *regex, size_t at, size_t n)
{
    if (n > REGEX_STATES_MAX - regex->n)
        return set_why(regex, "too large when its repetitions are written out");
    if (regex->n + n > regex->room) {
        size_t room = regex->room * 2 > regex->n + n ? regex->room * 2 : regex->n + n + 16;
        struct regex_inst *code = reallocarray(regex->code, room, sizeof(*code));
        if (!code)
            return set_why(regex, "out of memory");
        regex->code = code;
        regex->room = room;
    }
    if (at < regex->n)
        memmove(regex->code + at + n, regex->code + at, (regex->n - at) * sizeof(*regex->code));
    regex->n += n;
    return true;
}

static bool regex_code_put(struct regex *regex, size_t at, struct regex_inst inst)
{
    if (!regex_code_insert(regex, at, 1))
        return false;
    regex->code[at] = inst;
    return true;
}

bool regex_code_append(struct regex *regex, struct regex_inst inst)
{
    return regex_code_put(regex, regex->n, inst);
}

/* A copy of the code from `begin` on, `len` long, at the end. */
static bool regex_code_copy(struct regex *regex, size_t begin, size_t len)
{
    size_t at = regex->n;
    if (len == 0)
        return true;
    if (!regex_code_insert(regex, at, len))
        return false;
    memcpy(regex->code + at, regex->code + begin, len * sizeof(struct regex_inst));
    return true;
}

bool regex_code_optional(struct regex *regex, size_t begin)
{
    int16_t len = (int16_t)(regex->n - begin);
    return regex_code_put(regex, begin,
                          (struct regex_inst){.op = REGEX_SPLIT, .x = 1, .y = (int16_t)(len + 1)});
}

bool regex_code_star(struct regex *regex, size_t begin)
{
    int16_t len = (int16_t)(regex->n - begin);
    return regex_code_put(
               regex, begin,
               (struct regex_inst){.op = REGEX_SPLIT, .x = 1, .y = (int16_t)(len + 2)}) &&
           regex_code_append(regex,
                             (struct regex_inst){.op = REGEX_JUMP, .x = (int16_t)(-len - 1)});
}

bool regex_code_plus(struct regex *regex, size_t begin)
{
    int16_t len = (int16_t)(regex->n - begin);
    return regex_code_append(regex,
                             (struct regex_inst){.op = REGEX_SPLIT, .x = (int16_t)-len, .y = 1});
}

bool regex_code_repeat(struct regex *regex, size_t begin, int m, int n)
{
    size_t len = regex->n - begin;
    if (n == 0) {
        regex->n = begin;
        return true;
    }
    for (int i = 1; i < m; i++)
        if (!regex_code_copy(regex, begin, len))
            return false;
    if (n < 0)
        return m == 0 ? regex_code_star(regex, begin) : regex_code_plus(regex, regex->n - len);
    if (m == 0 && !regex_code_optional(regex, begin))
        return false;
    size_t first = m == 0 ? begin + 1 : begin;
    for (int i = m == 0 ? 1 : m; i < n; i++) {
        size_t at = regex->n;
        if (!regex_code_copy(regex, first, len) || !regex_code_optional(regex, at))
            return false;
    }
    return true;
}

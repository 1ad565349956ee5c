#include "controller/objects/quantity.h"

#include <math.h>
#include <stdlib.h>

#define TEXT_MAX 32

static const struct {
    const char *suffix;
    double factor;
} suffixes[] = {
    {"", 1},        {"m", 1e-3},    {"k", 1e3},     {"M", 1e6},     {"G", 1e9},     {"T", 1e12},
    {"P", 1e15},    {"E", 1e18},    {"Ki", 0x1p10}, {"Mi", 0x1p20}, {"Gi", 0x1p30}, {"Ti", 0x1p40},
    {"Pi", 0x1p50}, {"Ei", 0x1p60}, {"u", 1e-6},    {"n", 1e-9},
};

static bool find_factor(struct slice suffix, double *factor)
{
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        *factor = suffixes[i].factor;
        if (slice_eq_str(suffix, suffixes[i].suffix))
            return true;
    }
    /* e3, E-2: but "E" alone is a suffix above. */
    if (suffix.len < 2 || suffix.len > 4 || (suffix.ptr[0] != 'e' && suffix.ptr[0] != 'E'))
        return false;
    size_t sign = suffix.ptr[1] == '-' || suffix.ptr[1] == '+';
    size_t n_digits = strspn(suffix.ptr + 1 + sign, "0123456789");
    if (n_digits == 0 || 1 + sign + n_digits != suffix.len)
        return false;
    *factor = pow(10, (double)strtol(suffix.ptr + 1, NULL, 10));
    return true;
}

bool quantity_parse(struct slice text, uint64_t *milli)
{
    char copy[TEXT_MAX + 1] = "";
    double factor;
    if (text.len == 0 || text.len > TEXT_MAX || memchr(text.ptr, '\0', text.len))
        return false;
    memcpy(copy, text.ptr, text.len);
    size_t whole = strspn(copy, "0123456789");
    size_t dot = copy[whole] == '.';
    size_t broken = dot ? strspn(copy + whole + 1, "0123456789") : 0;
    size_t len = whole + dot + broken;
    if (whole + broken == 0 || !find_factor(slice_str(copy + len), &factor))
        return false;
    copy[len] = '\0'; /* strtod would take an exponent that is counted already */
    double value = ceil(strtod(copy, NULL) * factor * 1000);
    *milli = value >= 0x1p64 ? UINT64_MAX : (uint64_t)value;
    return true;
}

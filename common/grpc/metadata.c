#include "common/grpc/metadata.h"

#include <stdio.h>

#define TIMEOUT_MAX_DIGITS 8
#define TIMEOUT_MAX_VALUE  99999999ull

static const struct unit {
    char letter;
    uint64_t ns;
} units[] = {
    {'n', 1},          {'u', 1000},        {'m', 1000000},
    {'S', 1000000000}, {'M', 60000000000}, {'H', 3600000000000},
};
#define UNIT_MS 2 /* the smallest that we write */
#define N_UNITS (sizeof(units) / sizeof(units[0]))

const char *grpc_timeout_format(uint64_t timeout_ms, char text[GRPC_TIMEOUT_TEXT_BYTES])
{
    size_t i = UNIT_MS;
    uint64_t value = timeout_ms ? timeout_ms : 1;
    while (value > TIMEOUT_MAX_VALUE && ++i < N_UNITS) {
        uint64_t per_unit = units[i].ns / units[UNIT_MS].ns;
        value = timeout_ms / per_unit + (timeout_ms % per_unit != 0);
    }
    if (i == N_UNITS) {
        value = TIMEOUT_MAX_VALUE;
        i = N_UNITS - 1;
    }
    snprintf(text, GRPC_TIMEOUT_TEXT_BYTES, "%u%c", (unsigned)value, units[i].letter);
    return text;
}

bool grpc_timeout_parse(struct slice text, uint64_t *timeout_ms)
{
    if (text.len < 2 || text.len > TIMEOUT_MAX_DIGITS + 1)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < text.len - 1; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    for (size_t i = 0; i < N_UNITS; i++) {
        if (units[i].letter != text.ptr[text.len - 1])
            continue;
        uint64_t ms_ns = units[UNIT_MS].ns;
        /* Two cases, because 99999999 hours in nanoseconds do not fit in 64 bits. */
        if (units[i].ns >= ms_ns)
            *timeout_ms = value * (units[i].ns / ms_ns);
        else
            *timeout_ms = (value * units[i].ns + ms_ns - 1) / ms_ns;
        return true;
    }
    return false;
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c <= 0x7e && c != '%';
}

static size_t utf8_len(struct slice rest)
{
    unsigned char c = (unsigned char)rest.ptr[0];
    size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    return len < rest.len ? len : rest.len;
}

size_t grpc_message_encode(struct slice message, char *out, size_t size)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t written = 0;
    while (message.len > 0) {
        size_t len = utf8_len(message);
        size_t needed = len == 1 && is_plain((unsigned char)message.ptr[0]) ? 1 : 3 * len;
        if (needed > size - written)
            break;
        for (size_t i = 0; i < len; i++) {
            unsigned char c = (unsigned char)message.ptr[i];
            if (needed == 1) {
                out[written++] = (char)c;
                continue;
            }
            out[written++] = '%';
            out[written++] = hex[c >> 4];
            out[written++] = hex[c & 15];
        }
        message = slice_sub(message, len, message.len);
    }
    return written;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

size_t grpc_message_decode(struct slice coded, char *out)
{
    size_t written = 0;
    for (size_t i = 0; i < coded.len; i++) {
        int high = coded.ptr[i] == '%' && coded.len - i > 2 ? hex_value(coded.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex_value(coded.ptr[i + 2]) : -1;
        if (low >= 0) {
            out[written++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[written++] = coded.ptr[i];
        }
    }
    return written;
}

bool grpc_content_type_is_ours(struct slice content_type)
{
    static const struct slice ours = {"application/grpc", 16};
    if (content_type.len < ours.len || strncasecmp(content_type.ptr, ours.ptr, ours.len) != 0)
        return false;
    return content_type.len == ours.len || content_type.ptr[ours.len] == '+' ||
           content_type.ptr[ours.len] == ';';
}

enum grpc_code grpc_code_parse(struct slice text)
{
    unsigned number = 0;
    if (text.len == 0 || text.len > 2)
        return GRPC_UNKNOWN;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return GRPC_UNKNOWN;
        number = number * 10 + (unsigned)(text.ptr[i] - '0');
    }
    return number <= GRPC_UNAUTHENTICATED ? (enum grpc_code)number : GRPC_UNKNOWN;
}

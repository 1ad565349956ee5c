#include "common/http/chars.h"

#include <arpa/inet.h>

#define T HTTP_TCHAR
#define V HTTP_VALUE
#define P (HTTP_PATH | HTTP_QUERY)
#define Q HTTP_QUERY
#define H HTTP_HOST
#define X HTTP_HEX

#define ALL      (T | V | P | H)
#define DIGIT    (ALL | X)
#define HEX_LOW  (ALL | X)
#define UPPER    (ALL | HTTP_UPPER)
#define HEX_UP   (UPPER | X)
#define SYMBOL_V V           /* in a value only */
#define OBS      V           /* obs-text */
#define BROWSER  (T | V | P) /* ^ ` |: RFC 3986 has them nowhere, browsers send them */

/* clang-format off */
const uint8_t http_classes[256] = {
    ['\t'] = V, [' '] = V,
    ['!'] = ALL, ['"'] = SYMBOL_V, ['#'] = T | V, ['$'] = ALL, ['%'] = T | V | Q, ['&'] = ALL,
    ['\''] = ALL, ['('] = V | P | H, [')'] = V | P | H, ['*'] = ALL, ['+'] = ALL, [','] = V | P,
    ['-'] = ALL, ['.'] = ALL, ['/'] = V | P,
    ['0'] = DIGIT, ['1'] = DIGIT, ['2'] = DIGIT, ['3'] = DIGIT, ['4'] = DIGIT,
    ['5'] = DIGIT, ['6'] = DIGIT, ['7'] = DIGIT, ['8'] = DIGIT, ['9'] = DIGIT,
    [':'] = V | P, [';'] = V | P | H, ['<'] = SYMBOL_V, ['='] = V | P | H, ['>'] = SYMBOL_V,
    ['?'] = V | Q, ['@'] = V | P,
    ['A'] = HEX_UP, ['B'] = HEX_UP, ['C'] = HEX_UP, ['D'] = HEX_UP, ['E'] = HEX_UP, ['F'] = HEX_UP,
    ['G' ... 'Z'] = UPPER,
    ['['] = V | P, ['\\'] = V | Q, [']'] = V | P, ['^'] = BROWSER, ['_'] = ALL, ['`'] = BROWSER,
    ['a'] = HEX_LOW, ['b'] = HEX_LOW, ['c'] = HEX_LOW, ['d'] = HEX_LOW, ['e'] = HEX_LOW,
    ['f'] = HEX_LOW,
    ['g' ... 'z'] = ALL,
    ['{'] = V | P, ['|'] = BROWSER, ['}'] = V | P, ['~'] = ALL,
    [0x80 ... 0xff] = OBS,
};
/* clang-format on */

int http_hex_value(char c)
{
    if (!http_char_is(c, HTTP_HEX))
        return -1;
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

bool http_is_token(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!http_char_is(text.ptr[i], HTTP_TCHAR))
            return false;
    return text.len > 0;
}

bool http_is_lower_token(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((http_classes[(unsigned char)text.ptr[i]] & (HTTP_TCHAR | HTTP_UPPER)) != HTTP_TCHAR)
            return false;
    return text.len > 0;
}

/* Eight bytes at a time: is any below 0x20, or 0x7f? Answers yes for a tab too. */
static bool word_has_control(const char *bytes)
{
    const uint64_t ones = 0x0101010101010101ull, highs = ones << 7;
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    uint64_t del = word ^ (ones * 0x7f);
    return (((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) & highs;
}

bool http_is_field_text(struct slice text)
{
    size_t i = 0;
    while (i < text.len) {
        size_t stop = text.len;
        if (text.len - i >= sizeof(uint64_t)) {
            stop = i + sizeof(uint64_t);
            if (!word_has_control(text.ptr + i))
                i = stop;
        }
        for (; i < stop; i++)
            if (!http_char_is(text.ptr[i], HTTP_VALUE))
                return false;
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool http_is_field_value(struct slice text)
{
    if (text.len == 0)
        return true;
    return !is_blank(text.ptr[0]) && !is_blank(text.ptr[text.len - 1]) && http_is_field_text(text);
}

static bool is_port(struct slice text)
{
    unsigned port = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        port = port * 10 + (unsigned)(text.ptr[i] - '0');
        if (port > 65535)
            return false;
    }
    return text.len > 0;
}

/* "[::1]" and what follows it. */
static bool is_bracketed(struct slice text)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr ignored;
    const char *end = memchr(text.ptr, ']', text.len);
    size_t len = end ? (size_t)(end - text.ptr) - 1 : sizeof(address);
    if (len >= sizeof(address) || memchr(text.ptr, '\0', len + 1))
        return false;
    memcpy(address, text.ptr + 1, len);
    address[len] = '\0';
    struct slice rest = slice_sub(text, len + 2, text.len);
    return inet_pton(AF_INET6, address, &ignored) == 1 &&
           (rest.len == 0 || (rest.ptr[0] == ':' && is_port(slice_sub(rest, 1, rest.len))));
}

bool http_is_authority(struct slice text)
{
    size_t n = 0;
    if (text.len > 0 && text.ptr[0] == '[')
        return is_bracketed(text);
    while (n < text.len && http_char_is(text.ptr[n], HTTP_HOST))
        n++;
    if (n == 0)
        return false;
    return n == text.len || (text.ptr[n] == ':' && is_port(slice_sub(text, n + 1, text.len)));
}

bool http_is_host_and_port(struct slice text)
{
    if (!http_is_authority(text))
        return false;
    const char *bracket = memrchr(text.ptr, ']', text.len);
    const char *host_end = bracket ? bracket : text.ptr;
    return memchr(host_end, ':', (size_t)(text.ptr + text.len - host_end));
}

bool http_is_path(struct slice text)
{
    size_t i = 0;
    if (text.len == 0 || text.ptr[0] != '/')
        return false;
    for (; i < text.len && text.ptr[i] != '?'; i++) {
        if (http_char_is(text.ptr[i], HTTP_PATH))
            continue;
        if (text.ptr[i] != '%' || text.len - i < 3 || !http_char_is(text.ptr[i + 1], HTTP_HEX) ||
            !http_char_is(text.ptr[i + 2], HTTP_HEX))
            return false;
        i += 2;
    }
    for (; i < text.len; i++)
        if (!http_char_is(text.ptr[i], HTTP_QUERY))
            return false;
    return true;
}

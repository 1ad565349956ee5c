#include "common/base64.h"

#include <stdint.h>

static const char *const alphabets[] = {
    [BASE64_STANDARD] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    [BASE64_URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

size_t base64_encoded_len(size_t len)
{
    return len / 3 * 4 + (len % 3 ? len % 3 + 1 : 0);
}

size_t base64_decoded_len(size_t len)
{
    return len / 4 * 3 + (len % 4 * 3) / 4;
}

size_t base64_encode(enum base64_kind kind, struct slice bytes, char *out)
{
    size_t written = 0;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t word = (uint32_t)(unsigned char)bytes.ptr[i] << 16;
        if (n > 1)
            word |= (uint32_t)(unsigned char)bytes.ptr[i + 1] << 8;
        if (n > 2)
            word |= (unsigned char)bytes.ptr[i + 2];
        for (size_t j = 0; j <= n; j++)
            out[written++] = alphabets[kind][word >> (18 - 6 * j) & 63];
    }
    return written;
}

static int value_of(enum base64_kind kind, char c)
{
    const char *found = memchr(alphabets[kind], c, 64);
    return found ? (int)(found - alphabets[kind]) : -1;
}

bool base64_decode(enum base64_kind kind, struct slice text, void *out, size_t *len)
{
    uint8_t *bytes = out;
    uint32_t word = 0;
    unsigned bits = 0;
    *len = 0;
    if (kind == BASE64_STANDARD && text.len % 4 == 0)
        for (int pad = 0; pad < 2 && text.len > 0 && text.ptr[text.len - 1] == '='; pad++)
            text.len--;
    if (text.len % 4 == 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int value = value_of(kind, text.ptr[i]);
        if (value < 0)
            return false;
        word = word << 6 | (uint32_t)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes[(*len)++] = (uint8_t)(word >> bits);
        }
    }
    /* Bits left over must be zero, so that there is one coding of each value (section 3.5). */
    return (word & ((1u << bits) - 1)) == 0;
}

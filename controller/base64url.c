#include "controller/base64url.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_encode(struct slice bytes, char *out)
{
    for (size_t i = 0; i < bytes.len; i += 3) {
        struct slice part = slice_sub(bytes, i, 3);
        uint32_t bits = (uint32_t)(uint8_t)part.ptr[0] << 16;
        if (part.len > 1)
            bits |= (uint32_t)(uint8_t)part.ptr[1] << 8;
        if (part.len > 2)
            bits |= (uint8_t)part.ptr[2];
        for (size_t c = 0; c <= part.len; c++)
            *out++ = alphabet[bits >> (18 - 6 * c) & 63];
    }
}

/* -1 for what is not in the alphabet. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool base64url_decode(struct slice text, uint8_t *out, size_t *out_len)
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    *out_len = 0;
    if (text.len % 4 == 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int value = value_of(text.ptr[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            out[(*out_len)++] = (uint8_t)(bits >> n_bits);
        }
        bits &= (1u << n_bits) - 1;
    }
    return bits == 0;
}

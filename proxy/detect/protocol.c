#include "proxy/detect/protocol.h"

static const struct slice preface = SLICE_LITERAL("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
static const struct slice version = SLICE_LITERAL("HTTP/1.");

/* Not isupper() and the like, which look at the locale. */
static bool is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_method(char c)
{
    return is_capital(c) || c == '-' || c == '_';
}

static bool begins_target(char c)
{
    return c == '/' || c == '*' || c == '[' || is_capital(c) || (c >= 'a' && c <= 'z') ||
           (c >= '0' && c <= '9');
}

/* A wrong byte above ASCII is left to the codec: no other protocol has got so far. */
static bool is_target(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f;
}

/* `whole` as far as there are bytes: the answer when it is complete, MORE or opaque else. */
static enum detected detect_literal(struct slice bytes, struct slice whole, enum detected complete)
{
    if (slice_starts_with(bytes, whole))
        return complete;
    return slice_starts_with(whole, bytes) ? DETECTED_MORE : DETECTED_OPAQUE;
}

static enum detected detect_http1(struct slice bytes)
{
    size_t i = 0;
    while (i < bytes.len && is_method(bytes.ptr[i]))
        i++;
    if (i > PROTOCOL_MAX_METHOD_BYTES)
        return DETECTED_OPAQUE;
    if (i == bytes.len)
        return DETECTED_MORE;
    if (i == 0 || bytes.ptr[i] != ' ')
        return DETECTED_OPAQUE;
    size_t target = ++i;
    if (target < bytes.len && !begins_target(bytes.ptr[target]))
        return DETECTED_OPAQUE;
    while (i < bytes.len && is_target(bytes.ptr[i]))
        i++;
    if (i == bytes.len)
        return DETECTED_MORE;
    if (bytes.ptr[i] != ' ')
        return DETECTED_OPAQUE;
    return detect_literal(slice_sub(bytes, i + 1, bytes.len), version, DETECTED_HTTP1);
}

enum detected protocol_detect(struct slice bytes)
{
    bytes = slice_sub(bytes, 0, PROTOCOL_MAX_BYTES);
    enum detected detected = detect_literal(bytes, preface, DETECTED_HTTP2);
    if (detected != DETECTED_OPAQUE)
        return detected;
    detected = detect_http1(bytes);
    if (detected == DETECTED_MORE && bytes.len == PROTOCOL_MAX_BYTES)
        return DETECTED_HTTP1;
    return detected;
}

const char *detected_name(enum detected detected)
{
    static const char *const names[] = {"more", "http1", "http2", "opaque"};
    return names[detected];
}

#include "common/http/h1_target.h"

/* "http://" or "https://", in any case; the bytes that it takes, or 0. */
static size_t scheme_parse(struct slice text, struct slice *scheme)
{
    static const struct slice schemes[] = {SLICE_LITERAL("http"), SLICE_LITERAL("https")};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t len = schemes[i].len;
        if (text.len < len + 3 || strncasecmp(text.ptr, schemes[i].ptr, len) != 0 ||
            memcmp(text.ptr + len, "://", 3) != 0)
            continue;
        *scheme = schemes[i];
        return len + 3;
    }
    return 0;
}

/* The path of "http://host" is "/", of "http://host?query" "/?query" (RFC 9110 4.2.3). */
static bool absolute_parse(struct head *head, char *text, size_t len)
{
    size_t at = scheme_parse(slice_of(text, len), &head->scheme);
    size_t end = at;
    if (at == 0)
        return false;
    while (end < len && text[end] != '/' && text[end] != '?')
        end++;
    head->authority = slice_of(text + at, end - at);
    if (!http_is_authority(head->authority))
        return false;
    if (end == len) {
        /* As a last proxy would pass it on (RFC 9112 3.2.4). */
        bool is_options = slice_eq_str(head->method, "OPTIONS");
        head->path = is_options ? SLICE_LITERAL("*") : SLICE_LITERAL("/");
        return true;
    }
    if (text[end] == '?') {
        /* There is no room for the '/', but the scheme is not needed any more. */
        memmove(text + at - 1, text + at, end - at);
        head->authority.ptr--;
        text[--end] = '/';
    }
    head->path = slice_of(text + end, len - end);
    return http_is_path(head->path);
}

bool h1_target_parse(struct head *head, char *text, size_t len)
{
    struct slice target = slice_of(text, len);
    if (slice_eq_str(head->method, "CONNECT")) {
        head->authority = target;
        return http_is_host_and_port(target);
    }
    if (len > 0 && text[0] == '/') {
        head->path = target;
        return http_is_path(target);
    }
    if (slice_eq_str(target, "*")) {
        head->path = target;
        return slice_eq_str(head->method, "OPTIONS");
    }
    return absolute_parse(head, text, len);
}

#include "controller/kubernetes/kube_url.h"

#include <ctype.h>
#include <string.h>

#include "common/cidr.h"
#include "common/dns_name.h"
#include "common/options.h"

static bool take_scheme(struct slice *text, bool *is_tls)
{
    static const struct slice schemes[] = {SLICE_LITERAL("http://"), SLICE_LITERAL("https://")};
    for (size_t i = 0; i < 2; i++)
        if (slice_starts_with(*text, schemes[i])) {
            *is_tls = i == 1;
            *text = slice_sub(*text, schemes[i].len, text->len);
            return true;
        }
    return false;
}

/* The host without brackets; what follows it is left in `text`. */
static bool take_host(struct slice *text, struct slice *host)
{
    struct ip ip;
    if (text->len > 0 && text->ptr[0] == '[') {
        const char *end = memchr(text->ptr, ']', text->len);
        if (!end)
            return false;
        *host = slice_of(text->ptr + 1, (size_t)(end - text->ptr) - 1);
        *text = slice_sub(*text, host->len + 2, text->len);
        return ip_parse(*host, &ip) && ip.family == AF_INET6;
    }
    size_t len = 0;
    while (len < text->len && text->ptr[len] != ':' && text->ptr[len] != '/')
        len++;
    *host = slice_sub(*text, 0, len);
    *text = slice_sub(*text, len, text->len);
    return ip_parse(*host, &ip) || dns_name_ok(*host);
}

static bool is_path(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!isgraph((unsigned char)text.ptr[i]) || strchr("?#\"<>\\", text.ptr[i]))
            return false;
    return true;
}

bool kube_url_parse(struct slice text, struct arena *arena, struct kube_url *url, struct err *err)
{
    struct slice rest = text, host = {0}, port;
    uint64_t number;
    struct err ignored;
    *url = (struct kube_url){0};
    bool is_good = take_scheme(&rest, &url->is_tls) && take_host(&rest, &host);
    number = url->is_tls ? 443 : 80;
    if (is_good && rest.len > 0 && rest.ptr[0] == ':') {
        const char *slash = memchr(rest.ptr, '/', rest.len);
        size_t end = slash ? (size_t)(slash - rest.ptr) : rest.len;
        port = slice_sub(rest, 1, end - 1);
        is_good = option_parse_uint(port, 1, UINT16_MAX, &number, &ignored);
        rest = slice_sub(rest, end, rest.len);
    }
    if (!is_good || (rest.len > 0 && rest.ptr[0] != '/') || !is_path(rest))
        return err_set(err, "\"%.*s\" is not https://HOST:PORT", SLICE_ARG(text));
    while (rest.len > 0 && rest.ptr[rest.len - 1] == '/')
        rest.len--;
    bool is_v6 = memchr(host.ptr, ':', host.len);
    url->host = arena_text(arena, host);
    url->target =
        arena_printf(arena, is_v6 ? "[%.*s]:%u" : "%.*s:%u", SLICE_ARG(host), (unsigned)number);
    url->prefix = arena_text(arena, rest);
    return (url->host && url->target && url->prefix) || err_set(err, "out of memory");
}

bool kube_url_is_loopback(const struct kube_url *url)
{
    struct ip ip;
    struct cidr v4, v6;
    struct err ignored;
    return ip_parse(slice_str(url->host), &ip) &&
           cidr_parse(SLICE_LITERAL("127.0.0.0/8"), &v4, &ignored) &&
           cidr_parse(SLICE_LITERAL("::1/128"), &v6, &ignored) &&
           (cidr_contains(&v4, &ip) || cidr_contains(&v6, &ip));
}

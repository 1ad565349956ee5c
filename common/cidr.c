#include "common/cidr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

static unsigned ip_bits(const struct ip *ip)
{
    return ip->family == AF_INET ? 32 : 128;
}

/* ::ffff:1.2.3.4 is the v4 address 1.2.3.4 (RFC 4291, 2.5.5.2); everything else stays v6. */
static struct ip ip_from_v6(const uint8_t bytes[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct ip ip = {.family = AF_INET6};
    if (memcmp(bytes, mapped, sizeof(mapped)) == 0) {
        ip.family = AF_INET;
        memcpy(ip.bytes, bytes + sizeof(mapped), 4);
    } else {
        memcpy(ip.bytes, bytes, 16);
    }
    return ip;
}

bool ip_parse(struct slice text, struct ip *ip)
{
    char copy[IP_TEXT_BYTES];
    uint8_t bytes[16];
    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.ptr, '\0', text.len))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, bytes) == 1) {
        *ip = (struct ip){.family = AF_INET};
        memcpy(ip->bytes, bytes, 4);
        return true;
    }
    if (inet_pton(AF_INET6, copy, bytes) != 1)
        return false;
    *ip = ip_from_v6(bytes);
    return true;
}

bool ip_eq(const struct ip *a, const struct ip *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, ip_bits(a) / 8) == 0;
}

bool ip_is_loopback(const struct ip *ip)
{
    static const uint8_t v6_loopback[16] = {[15] = 1};
    if (ip->family == AF_INET)
        return ip->bytes[0] == 127;
    return memcmp(ip->bytes, v6_loopback, sizeof(v6_loopback)) == 0;
}

bool ip_is_special(const struct ip *ip)
{
    static const uint8_t zeros[16];
    const uint8_t *bytes = ip->bytes;
    size_t len = ip->family == AF_INET ? 4 : 16;
    if (ip_is_loopback(ip) || memcmp(bytes, zeros, len) == 0)
        return true;
    if (ip->family == AF_INET)
        return (bytes[0] == 169 && bytes[1] == 254) || (bytes[0] & 0xf0) == 0xe0;
    return (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) || bytes[0] == 0xff;
}

const char *ip_format(const struct ip *ip, char text[IP_TEXT_BYTES])
{
    if (!inet_ntop(ip->family, ip->bytes, text, IP_TEXT_BYTES))
        snprintf(text, IP_TEXT_BYTES, "?"); /* no family: a struct that nobody filled */
    return text;
}

static void clear_host_bits(struct cidr *cidr)
{
    for (unsigned bit = cidr->prefix; bit < ip_bits(&cidr->ip); bit++)
        cidr->ip.bytes[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
}

/* Digits only, no leading zero, at most `max`. */
static bool parse_decimal(struct slice text, unsigned max, unsigned *value)
{
    if (text.len == 0 || text.len > 5 || (text.len > 1 && text.ptr[0] == '0'))
        return false;
    *value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        *value = *value * 10 + (unsigned)(text.ptr[i] - '0');
    }
    return *value <= max;
}

bool cidr_parse(struct slice text, struct cidr *cidr, struct err *err)
{
    const char *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
    struct slice address = slash ? slice_of(text.ptr, (size_t)(slash - text.ptr)) : text;
    struct ip ip;
    if (!ip_parse(address, &ip))
        return err_set(err,
                       "\"%.*s\" is not an address block; expected e.g. 10.0.0.0/8 or fd00::/8",
                       SLICE_ARG(text));
    /* The prefix of a v4-mapped block counts the 96 bits that are gone now. */
    unsigned mapped = ip.family == AF_INET && memchr(address.ptr, ':', address.len) ? 96 : 0;
    unsigned prefix = ip_bits(&ip) + mapped;
    if (slash) {
        struct slice digits = slice_sub(text, address.len + 1, text.len);
        if (!parse_decimal(digits, ip_bits(&ip) + mapped, &prefix) || prefix < mapped)
            return err_set(err, "\"%.*s\": the prefix length must be a number between %u and %u",
                           SLICE_ARG(text), mapped, ip_bits(&ip) + mapped);
    }
    *cidr = (struct cidr){.ip = ip, .prefix = (uint8_t)(prefix - mapped)};
    clear_host_bits(cidr);
    return true;
}

bool cidr_contains(const struct cidr *cidr, const struct ip *ip)
{
    if (cidr->ip.family != ip->family)
        return false;
    unsigned whole = cidr->prefix / 8, rest = cidr->prefix % 8;
    if (memcmp(cidr->ip.bytes, ip->bytes, whole) != 0)
        return false;
    return rest == 0 || ((cidr->ip.bytes[whole] ^ ip->bytes[whole]) >> (8 - rest)) == 0;
}

/* Splits "a:1" or "[a]:1" into the address and the port's digits. */
static bool addr_split(struct slice text, struct slice *host, struct slice *port, bool *in_brackets)
{
    *in_brackets = text.len > 0 && text.ptr[0] == '[';
    const char *colon = text.len ? memrchr(text.ptr, ':', text.len) : NULL;
    if (!colon)
        return false;
    *host = slice_of(text.ptr, (size_t)(colon - text.ptr));
    *port = slice_sub(text, host->len + 1, text.len);
    if (!*in_brackets)
        return true;
    if (host->len < 2 || host->ptr[host->len - 1] != ']')
        return false;
    *host = slice_sub(*host, 1, host->len - 2);
    return true;
}

bool addr_parse(struct slice text, struct sockaddr_any *addr, struct err *err)
{
    struct slice host, digits;
    struct ip ip;
    unsigned port;
    bool in_brackets;
    if (!addr_split(text, &host, &digits, &in_brackets) || !ip_parse(host, &ip) ||
        in_brackets != (memchr(host.ptr, ':', host.len) != NULL) ||
        !parse_decimal(digits, 65535, &port) || port == 0)
        return err_set(err,
                       "\"%.*s\" is not an address with a port; expected e.g. 10.0.0.1:80 or "
                       "[fd00::1]:80",
                       SLICE_ARG(text));
    *addr = addr_make(&ip, (uint16_t)port);
    return true;
}

struct sockaddr_any addr_make(const struct ip *ip, uint16_t port)
{
    struct sockaddr_any addr;
    memset(&addr, 0, sizeof(addr));
    assert(ip->family == AF_INET || ip->family == AF_INET6);
    if (ip->family == AF_INET) {
        addr.in.sin_family = AF_INET;
        addr.in.sin_port = htons(port);
        memcpy(&addr.in.sin_addr, ip->bytes, 4);
        addr.len = sizeof(addr.in);
    } else {
        addr.in6.sin6_family = AF_INET6;
        addr.in6.sin6_port = htons(port);
        memcpy(&addr.in6.sin6_addr, ip->bytes, 16);
        addr.len = sizeof(addr.in6);
    }
    return addr;
}

struct ip addr_ip(const struct sockaddr_any *addr)
{
    if (addr->sa.sa_family == AF_INET6)
        return ip_from_v6(addr->in6.sin6_addr.s6_addr);
    struct ip ip = {.family = AF_INET};
    memcpy(ip.bytes, &addr->in.sin_addr, 4);
    return ip;
}

uint16_t addr_port(const struct sockaddr_any *addr)
{
    return ntohs(addr->sa.sa_family == AF_INET6 ? addr->in6.sin6_port : addr->in.sin_port);
}

bool addr_eq(const struct sockaddr_any *a, const struct sockaddr_any *b)
{
    struct ip ip_a = addr_ip(a), ip_b = addr_ip(b);
    return addr_port(a) == addr_port(b) && ip_eq(&ip_a, &ip_b);
}

const char *addr_format(const struct sockaddr_any *addr, char text[ADDR_TEXT_BYTES])
{
    char ip_text[IP_TEXT_BYTES];
    struct ip ip = addr_ip(addr);
    snprintf(text, ADDR_TEXT_BYTES, ip.family == AF_INET6 ? "[%s]:%u" : "%s:%u",
             ip_format(&ip, ip_text), addr_port(addr));
    return text;
}

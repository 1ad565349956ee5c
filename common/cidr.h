/*
 * IP addresses and blocks, v4 and v6, and socket addresses as text. Pure.
 */
#ifndef OUTRIGGER_COMMON_CIDR_H
#define OUTRIGGER_COMMON_CIDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/err.h"
#include "common/slice.h"

/* An address without a port. v4-mapped v6 addresses are turned into v4 wherever one is made. */
struct ip {
    uint8_t family;    /* AF_INET or AF_INET6 */
    uint8_t bytes[16]; /* network order; the first 4 for AF_INET, the rest zero */
};

struct cidr {
    struct ip ip;   /* host bits are zero */
    uint8_t prefix; /* bits: 0-32 or 0-128 */
};

/* An address with a port: what a socket call takes. */
struct sockaddr_any {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    };
    socklen_t len;
};

#define IP_TEXT_BYTES   46 /* INET6_ADDRSTRLEN */
#define ADDR_TEXT_BYTES 56 /* "[" ip "]:65535" and the NUL */

bool ip_parse(struct slice text, struct ip *ip) MUST_USE;
bool ip_eq(const struct ip *a, const struct ip *b);
bool ip_is_loopback(const struct ip *ip);
/* No address that another machine could have: unspecified, loopback, link-local or multicast.
 * Kubernetes takes none of them for an endpoint. */
bool ip_is_special(const struct ip *ip);
const char *ip_format(const struct ip *ip, char text[IP_TEXT_BYTES]); /* returns text */

/* "10.0.0.0/8", "fd00::/8", or an address alone for its full length. Host bits are cleared. */
bool cidr_parse(struct slice text, struct cidr *cidr, struct err *err) MUST_USE;
bool cidr_contains(const struct cidr *cidr, const struct ip *ip);

/* "1.2.3.4:80" or "[fd00::1]:80". False unless it is exactly that, port 1-65535. */
bool addr_parse(struct slice text, struct sockaddr_any *addr, struct err *err) MUST_USE;
struct sockaddr_any addr_make(const struct ip *ip, uint16_t port);
struct ip addr_ip(const struct sockaddr_any *addr);
uint16_t addr_port(const struct sockaddr_any *addr);
bool addr_eq(const struct sockaddr_any *a, const struct sockaddr_any *b);
/* The names of Service resources have this form. */
const char *addr_format(const struct sockaddr_any *addr, char text[ADDR_TEXT_BYTES]);

#endif

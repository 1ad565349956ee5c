#include "common/original_dst.h"

#include <string.h>

/* From <linux/netfilter_ipv4.h> and <linux/netfilter_ipv6/ip6_tables.h>, which clash with libc's.
 */
#define SO_ORIGINAL_DST      80
#define IP6T_SO_ORIGINAL_DST 80

bool original_dst(int fd, struct sockaddr_any *destination)
{
    struct sockaddr_any local = {.len = sizeof(local.in6)};
    memset(destination, 0, sizeof(*destination));
    if (getsockname(fd, &local.sa, &local.len) < 0)
        return false;
    /* Listeners for IPv6 are V6ONLY, so that a v4 connection is never disguised as v6. */
    if (local.sa.sa_family == AF_INET) {
        destination->len = sizeof(destination->in);
        return getsockopt(fd, SOL_IP, SO_ORIGINAL_DST, &destination->sa, &destination->len) == 0;
    }
    destination->len = sizeof(destination->in6);
    if (getsockopt(fd, SOL_IPV6, IP6T_SO_ORIGINAL_DST, &destination->sa, &destination->len) < 0)
        return false;
    destination->in6.sin6_flowinfo = 0;
    return true;
}

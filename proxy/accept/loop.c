#include "proxy/accept/loop.h"

#include <sys/socket.h>

bool loop_is_self(const struct workload *workload, const struct sockaddr_any *address)
{
    struct ip ip = addr_ip(address);
    return workload && workload_has_address(workload, &ip);
}

bool loop_is_loop(const struct worker_settings *settings, const struct workload *workload,
                  enum direction direction, int fd, const struct sockaddr_any *address)
{
    uint16_t port = addr_port(address);
    bool is_ours = port == settings->inbound_port || port == settings->outbound_port ||
                   (port == settings->admin_port && direction == DIRECTION_OUTBOUND);
    if (!is_ours)
        return false;
    struct ip ip = addr_ip(address);
    if (ip_is_special(&ip) || loop_is_self(workload, address))
        return true;
    struct sockaddr_any local = {.len = sizeof(local.in6)};
    return getsockname(fd, &local.sa, &local.len) == 0 && addr_eq(&local, address);
}

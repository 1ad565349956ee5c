#include "proxy/policy/egress.h"

#include <strings.h>

#include "common/dns_name.h"
#include "proxy/wire.h"

#define HOSTS_MAX      1000 /* objects */
#define NAMES_MAX      256  /* of an object; addresses likewise */
#define PORTS_MAX      64
#define WILDCARD       SLICE_LITERAL("*.")
#define ARRAY(n, type) arena_take_array(&hosts->arena, (n) + 1, sizeof(type))

static bool set_names(struct external_hosts *hosts, struct external_host *host,
                      const Outrigger__V1__ExternalHost *message, struct err *err)
{
    if (!wire_at_most(message->n_hosts, NAMES_MAX, "hosts", err))
        return false;
    host->hosts = ARRAY(message->n_hosts, char *);
    if (!host->hosts)
        return err_set(err, "hosts: out of memory");
    for (size_t i = 0; i < message->n_hosts; i++) {
        if (!wire_name(&hosts->arena, message->hosts[i], &host->hosts[i], "name", err))
            return wire_at(err, "hosts[%zu]", i);
        struct slice name = slice_str(host->hosts[i]);
        if (slice_starts_with(name, WILDCARD))
            name = slice_sub(name, 2, name.len);
        if (!dns_name_ok(name))
            return err_set(err, "hosts[%zu]: \"%s\" is no name", i, host->hosts[i]);
        host->n_hosts++;
    }
    return true;
}

static bool set_addresses(struct external_hosts *hosts, struct external_host *host,
                          const Outrigger__V1__ExternalHost *message, struct err *err)
{
    if (!wire_at_most(message->n_addresses, NAMES_MAX, "addresses", err))
        return false;
    host->addresses = ARRAY(message->n_addresses, struct cidr);
    if (!host->addresses)
        return err_set(err, "addresses: out of memory");
    for (; host->n_addresses < message->n_addresses; host->n_addresses++)
        if (!cidr_parse(slice_str(message->addresses[host->n_addresses]),
                        &host->addresses[host->n_addresses], err))
            return err_prefix(err, "addresses[%zu]", host->n_addresses);
    return true;
}

static bool set_ports(struct external_hosts *hosts, struct external_host *host,
                      const Outrigger__V1__ExternalHost *message, struct err *err)
{
    if (!wire_at_most(message->n_ports, PORTS_MAX, "ports", err))
        return false;
    host->ports = ARRAY(message->n_ports, uint16_t);
    if (!host->ports)
        return err_set(err, "ports: out of memory");
    for (; host->n_ports < message->n_ports; host->n_ports++) {
        if (!wire_port(message->ports[host->n_ports], "port", err))
            return wire_at(err, "ports[%zu]", host->n_ports);
        host->ports[host->n_ports] = (uint16_t)message->ports[host->n_ports];
    }
    return true;
}

bool external_hosts_build(struct external_hosts *hosts,
                          Outrigger__V1__ExternalHost *const *messages, size_t n, struct err *err)
{
    if (!wire_at_most(n, HOSTS_MAX, "external_hosts", err))
        return false;
    hosts->list = ARRAY(n, struct external_host);
    if (!hosts->list)
        return err_set(err, "external_hosts: out of memory");
    for (size_t i = 0; i < n; i++) {
        struct external_host *host = &hosts->list[hosts->n];
        bool is_understood = messages[i]->base.n_unknown_fields == 0 && messages[i]->n_ports > 0 &&
                             (messages[i]->n_hosts || messages[i]->n_addresses);
        *host = (struct external_host){0};
        if (!wire_name(&hosts->arena, messages[i]->object, &host->object, "object", err) ||
            !set_names(hosts, host, messages[i], err) ||
            !set_addresses(hosts, host, messages[i], err) ||
            !set_ports(hosts, host, messages[i], err))
            return wire_at(err, "external_hosts[%zu]", i);
        hosts->n += is_understood;
    }
    return true;
}

void external_hosts_fini(struct external_hosts *hosts)
{
    arena_fini(&hosts->arena);
}

static bool has_port(const struct external_host *host, uint16_t port)
{
    for (size_t i = 0; i < host->n_ports; i++)
        if (host->ports[i] == port)
            return true;
    return false;
}

static bool has_address(const struct external_host *host, const struct ip *ip)
{
    for (size_t i = 0; i < host->n_addresses; i++)
        if (cidr_contains(&host->addresses[i], ip))
            return true;
    return host->n_addresses == 0;
}

static bool is_named(const char *pattern, struct slice name)
{
    struct slice text = slice_str(pattern);
    bool is_below = slice_starts_with(text, WILDCARD);
    if (is_below)
        text = slice_sub(text, 1, text.len); /* with its dot */
    if (is_below ? name.len <= text.len : name.len != text.len)
        return false;
    return strncasecmp(name.ptr + name.len - text.len, text.ptr, text.len) == 0;
}

static bool has_name(const struct external_host *host, struct slice name)
{
    for (size_t i = 0; i < host->n_hosts && name.len > 0; i++)
        if (is_named(host->hosts[i], name))
            return true;
    return host->n_hosts == 0;
}

const struct external_host *external_hosts_find(const struct external_hosts *hosts,
                                                const struct sockaddr_any *destination,
                                                struct slice name)
{
    struct ip ip = addr_ip(destination);
    uint16_t port = addr_port(destination);
    for (size_t i = 0; i < hosts->n; i++) {
        const struct external_host *host = &hosts->list[i];
        if (has_port(host, port) && has_address(host, &ip) && has_name(host, name))
            return host;
    }
    return NULL;
}

struct slice external_host_name(struct slice authority)
{
    for (size_t i = authority.len; i > 0 && authority.ptr[i - 1] != ']'; i--)
        if (authority.ptr[i - 1] == ':') {
            authority.len = i - 1;
            break;
        }
    if (slice_ends_with(authority, SLICE_LITERAL(".")))
        authority.len--;
    return authority;
}

#include "init/verify.h"

#include <errno.h>
#include <ifaddrs.h>
#include <poll.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/original_dst.h"
#include "init/ipv6.h"

#define VERIFY_TIMEOUT_MS 3000
#define FIRST_PORT        80 /* where the search for a port that is redirected begins */
#define MAX_CANDIDATES    64

/* Addresses for documentation (RFC 5737, RFC 3849): nobody answers there if a packet gets out. */
static const char *const documentation[] = {"192.0.2.1", "198.51.100.1", "203.0.113.1",
                                            "2001:db8::1", "3fff::1"};

struct candidates {
    struct ip ips[MAX_CANDIDATES];
    size_t n;
};

static void candidates_add(struct candidates *candidates, struct ip ip, int family)
{
    if (ip.family == family && candidates->n < MAX_CANDIDATES)
        candidates->ips[candidates->n++] = ip;
}

static bool is_ours(const struct ifaddrs *a, int family)
{
    return a->ifa_addr && a->ifa_addr->sa_family == family;
}

static struct sockaddr_any address_of(const struct ifaddrs *a)
{
    struct sockaddr_any addr = {.len = a->ifa_addr->sa_family == AF_INET
                                           ? sizeof(struct sockaddr_in)
                                           : sizeof(struct sockaddr_in6)};
    memcpy(&addr.sa, a->ifa_addr, addr.len);
    return addr;
}

/* Places that a connection could be opened to: nobody's, what the rules include, and our own. */
static void candidates_fill(struct candidates *candidates, const struct rules *rules, int family,
                            const struct ifaddrs *own)
{
    for (size_t i = 0; i < sizeof(documentation) / sizeof(documentation[0]); i++) {
        struct ip ip;
        if (ip_parse(slice_str(documentation[i]), &ip))
            candidates_add(candidates, ip, family);
    }
    enum rule_set_type type = family == AF_INET ? RULE_SET_IP4 : RULE_SET_IP6;
    for (size_t i = 0; i < rules->n_rules; i++) {
        const struct rule *rule = &rules->rules[i];
        if (!rule->redirect_port || !rule->set || rule->set->type != type)
            continue;
        for (size_t j = 0; j < rule->set->n; j++) {
            struct ip ip = {.family = (uint8_t)family};
            memcpy(ip.bytes, rule->set->elements[j].last, rules_key_bytes(type));
            candidates_add(candidates, ip, family);
        }
    }
    for (const struct ifaddrs *a = own; a; a = a->ifa_next)
        if (is_ours(a, family)) {
            struct sockaddr_any addr = address_of(a);
            candidates_add(candidates, addr_ip(&addr), family);
        }
}

/* The interface that a packet to `to` would leave by; NULL without a route. Sends nothing. */
static const char *route_interface(const struct sockaddr_any *to, const struct ifaddrs *own)
{
    struct sockaddr_any from = {.len = sizeof(from.in6)};
    struct ip target = addr_ip(to), source;
    int fd = socket(to->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return NULL;
    bool has_route =
        connect(fd, &to->sa, to->len) == 0 && getsockname(fd, &from.sa, &from.len) == 0;
    close(fd);
    if (!has_route)
        return NULL;
    source = addr_ip(&from);
    if (ip_eq(&source, &target))
        return "lo"; /* one of our own addresses */
    for (const struct ifaddrs *a = own; a; a = a->ifa_next) {
        if (!is_ours(a, to->sa.sa_family))
            continue;
        struct sockaddr_any addr = address_of(a);
        struct ip ip = addr_ip(&addr);
        if (ip_eq(&ip, &source))
            return a->ifa_name;
    }
    return "";
}

/* Finds a destination that the rules redirect. *has_route: is there any to try with? */
static bool choose(const struct rules *rules, int family, const struct ifaddrs *own,
                   struct sockaddr_any *to, bool *has_route)
{
    struct candidates candidates = {.n = 0};
    candidates_fill(&candidates, rules, family, own);
    *has_route = false;
    for (size_t i = 0; i < candidates.n; i++) {
        *to = addr_make(&candidates.ips[i], FIRST_PORT);
        const char *interface = route_interface(to, own);
        if (!interface)
            continue;
        *has_route |= !ip_is_loopback(&candidates.ips[i]);
        for (unsigned n = 0; n < 65535; n++) {
            unsigned port = (FIRST_PORT - 1 + n) % 65535 + 1;
            struct rule_packet packet = {
                .uid = geteuid(), .gid = getegid(), .interface = interface};
            packet.destination = *to = addr_make(&candidates.ips[i], (uint16_t)port);
            if (rules_decide(rules, RULE_OUTPUT, &packet))
                return true;
        }
    }
    return false;
}

/* A redirected connection of our own arrives on the loopback address of its family. */
static int listen_on(int family, uint16_t port, struct err *err)
{
    int yes = 1;
    struct ip loopback = {AF_INET, {127, 0, 0, 1}};
    if (family == AF_INET6)
        loopback = (struct ip){AF_INET6, {[15] = 1}};
    struct sockaddr_any at = addr_make(&loopback, port);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
        bind(fd, &at.sa, at.len) == 0 && listen(fd, 16) == 0)
        return fd;
    char text[ADDR_TEXT_BYTES];
    err_set_errno(err, errno, "verify: cannot listen on %s in the proxy's place",
                  addr_format(&at, text));
    if (fd >= 0)
        close(fd);
    return -1;
}

static int connect_to(const struct sockaddr_any *to, struct err *err)
{
    char text[ADDR_TEXT_BYTES];
    struct linger reset = {.l_onoff = 1}; /* leave nothing behind in TIME_WAIT */
    int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0 &&
        (connect(fd, &to->sa, to->len) == 0 || errno == EINPROGRESS))
        return fd;
    err_set_errno(err, errno, "verify: connect to %s", addr_format(to, text));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* False with the reason in `err`. */
static bool check_original(int fd, const struct sockaddr_any *to, struct err *err)
{
    char found[ADDR_TEXT_BYTES], expected[ADDR_TEXT_BYTES];
    struct sockaddr_any original;
    if (!original_dst(fd, &original))
        return err_set_errno(err, errno, "verify: the original destination %s cannot be read back",
                             addr_format(to, expected));
    if (addr_eq(&original, to))
        return true;
    return err_set(err, "verify: the original destination reads %s; expected %s",
                   addr_format(&original, found), addr_format(to, expected));
}

/*
 * Accepts until a connection to `to` comes; others may call the port too. Its source is not looked
 * at: connection tracking changes the source port where an older connection's entry is in the way.
 * False, with the reason in `err` if anything came, when it does not come in time or has ended.
 */
static bool accept_original(int listener, int own, const struct sockaddr_any *to, struct err *err)
{
    uint64_t deadline_ns = clock_now_ns() + VERIFY_TIMEOUT_MS * NS_PER_MS;
    for (uint64_t now_ns; (now_ns = clock_now_ns()) < deadline_ns;) {
        struct pollfd ready[] = {{.fd = listener, .events = POLLIN}, {.fd = own}};
        if (poll(ready, 2, (int)((deadline_ns - now_ns) / NS_PER_MS) + 1) <= 0)
            continue;
        if (!(ready[0].revents & POLLIN))
            return false;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        bool is_original = check_original(fd, to, err);
        close(fd);
        if (is_original)
            return true;
    }
    return false;
}

/* What has become of a connection that did not come to us. */
static const char *fate_of(int fd)
{
    struct pollfd state = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t len = sizeof(error);
    if (poll(&state, 1, 0) == 0)
        return "nowhere";
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error == 0)
        return "elsewhere";
    return error == ECONNREFUSED ? "was refused elsewhere" : "failed on its way";
}

static bool try_connection(const struct sockaddr_any *to, uint16_t port, struct err *err)
{
    char text[ADDR_TEXT_BYTES];
    int listener = listen_on(to->sa.sa_family, port, err);
    if (listener < 0)
        return false;
    int client = connect_to(to, err);
    bool is_verified = false;
    if (client >= 0) {
        err->text[0] = '\0';
        is_verified = accept_original(listener, client, to, err);
        if (!is_verified && err->text[0] == '\0')
            err_set(err,
                    "verify: a connection to %s did not come to port %u but %s; expected it "
                    "redirected",
                    addr_format(to, text), port, fate_of(client));
        close(client);
    }
    close(listener);
    return is_verified;
}

/* True when nothing is wrong; *is_verified is false then where there is no route to try. */
static bool verify_family(const struct rules *rules, int family, const struct ifaddrs *own,
                          uint16_t port, bool *is_verified, struct err *err)
{
    struct sockaddr_any to;
    bool has_route;
    *is_verified = false;
    if (!choose(rules, family, own, &to, &has_route))
        return !has_route ||
               err_set(err,
                       "verify: the rules redirect nothing that uid %u opens over IPv%d; expected "
                       "a destination to try",
                       (unsigned)geteuid(), family == AF_INET ? 4 : 6);
    *is_verified = try_connection(&to, port, err);
    return *is_verified;
}

bool verify_redirect(const struct rules *rules, uint16_t outbound_port,
                     struct verify_result *result, struct err *err)
{
    struct ifaddrs *own = NULL;
    memset(result, 0, sizeof(*result));
    if (getifaddrs(&own) < 0)
        return err_set_errno(err, errno, "verify: the list of own addresses");
    bool is_right =
        verify_family(rules, AF_INET, own, outbound_port, &result->is_ip4_verified, err) &&
        (!ipv6_is_on() ||
         verify_family(rules, AF_INET6, own, outbound_port, &result->is_ip6_verified, err));
    freeifaddrs(own);
    if (is_right && !result->is_ip4_verified && !result->is_ip6_verified)
        return err_set(err, "verify: no address or route to open a connection with; expected the "
                            "pod's network to be up");
    return is_right;
}

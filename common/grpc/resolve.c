#include "common/grpc/resolve.h"

#include <event2/dns.h>
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#define RESOLVE_HOST_BYTES 256 /* RFC 1035: a name has at most 253 */

struct grpc_resolve {
    struct event *done_event;
    struct evdns_base *dns; /* NULL for an address */
    struct evdns_getaddrinfo_request *request;
    grpc_resolve_fn *done; /* NULL: cancelled */
    void *context;
    struct sockaddr_any addresses[GRPC_RESOLVE_MAX_ADDRESSES];
    size_t n;
    struct err err;
    bool is_answered; /* libevent has no request of ours any more */
};

bool grpc_target_split(const char *target, char *host, size_t size, char port[6], struct err *err)
{
    const char *colon = strrchr(target, ':');
    size_t host_len = colon ? (size_t)(colon - target) : 0;
    size_t port_len = colon ? strlen(colon + 1) : 0;
    const char *start = target;
    if (host_len >= 2 && target[0] == '[' && target[host_len - 1] == ']') {
        start++;
        host_len -= 2;
    } else if (host_len > 0 && memchr(target, ':', host_len)) {
        return err_set(err, "\"%s\": an IPv6 address is written [address]:port", target);
    }
    if (host_len == 0 || host_len >= size || port_len == 0 || port_len > 5 ||
        strspn(colon + 1, "0123456789") != port_len)
        return err_set(err, "\"%s\" is not host:port", target);
    unsigned long number = strtoul(colon + 1, NULL, 10);
    if (number == 0 || number > 65535)
        return err_set(err, "\"%s\": %lu is not a port (1-65535)", target, number);
    memcpy(host, start, host_len);
    host[host_len] = '\0';
    memcpy(port, colon + 1, port_len + 1);
    return true;
}

static void resolve_free(struct grpc_resolve *resolve)
{
    if (resolve->done_event)
        event_free(resolve->done_event);
    /* Never from inside a callback of this base: libevent would go on with what it was. */
    if (resolve->dns)
        evdns_base_free(resolve->dns, 1);
    free(resolve);
}

/* From the event loop, after libevent's own callback has returned. */
static void on_done(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct grpc_resolve *resolve = arg;
    if (resolve->done)
        resolve->done(resolve->context, resolve->addresses, resolve->n, &resolve->err);
    resolve_free(resolve);
}

static void take_addresses(struct grpc_resolve *resolve, const struct evutil_addrinfo *info)
{
    for (; info && resolve->n < GRPC_RESOLVE_MAX_ADDRESSES; info = info->ai_next) {
        struct sockaddr_any *address = &resolve->addresses[resolve->n];
        if (info->ai_addrlen > sizeof(address->in6))
            continue;
        memcpy(&address->sa, info->ai_addr, info->ai_addrlen);
        address->len = (socklen_t)info->ai_addrlen;
        resolve->n++;
    }
}

static void on_answer(int result, struct evutil_addrinfo *info, void *arg)
{
    struct grpc_resolve *resolve = arg;
    resolve->request = NULL;
    resolve->is_answered = true;
    if (result == 0)
        take_addresses(resolve, info);
    if (resolve->n == 0)
        err_set(&resolve->err, "%s",
                result ? evutil_gai_strerror(result) : "the name has no address");
    if (info)
        evutil_freeaddrinfo(info);
    event_active(resolve->done_event, EV_TIMEOUT, 0);
}

static void ask(struct grpc_resolve *resolve, struct event_base *base, const char *host,
                const char *port)
{
    struct evutil_addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_protocol = IPPROTO_TCP,
        .ai_flags = EVUTIL_AI_NUMERICHOST | EVUTIL_AI_NUMERICSERV,
    };
    struct evutil_addrinfo *info = NULL;
    if (evutil_getaddrinfo(host, port, &hints, &info) == 0) {
        on_answer(0, info, resolve);
        return;
    }
    hints.ai_flags = EVUTIL_AI_NUMERICSERV;
    resolve->dns =
        evdns_base_new(base, EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    /* Fails when there is no name server; the names of /etc/hosts can be had even so. */
    if (!resolve->dns)
        resolve->dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (!resolve->dns) {
        on_answer(EVUTIL_EAI_MEMORY, NULL, resolve);
        return;
    }
    if (evdns_base_count_nameservers(resolve->dns) == 0)
        (void)evdns_base_load_hosts(resolve->dns, "/etc/hosts");
    /* May call on_answer() before it returns. */
    struct evdns_getaddrinfo_request *request =
        evdns_getaddrinfo(resolve->dns, host, port, &hints, on_answer, resolve);
    if (!resolve->is_answered)
        resolve->request = request;
}

struct grpc_resolve *grpc_resolve_start(struct event_base *base, const char *target,
                                        grpc_resolve_fn *done, void *context)
{
    char host[RESOLVE_HOST_BYTES], port[6];
    struct grpc_resolve *resolve = calloc(1, sizeof(*resolve));
    if (!resolve)
        return NULL;
    resolve->done = done;
    resolve->context = context;
    resolve->done_event = event_new(base, -1, 0, on_done, resolve);
    if (!resolve->done_event ||
        !grpc_target_split(target, host, sizeof(host), port, &resolve->err)) {
        resolve_free(resolve);
        return NULL;
    }
    ask(resolve, base, host, port);
    return resolve;
}

void grpc_resolve_cancel(struct grpc_resolve *resolve)
{
    if (!resolve)
        return;
    resolve->done = NULL;
    if (resolve->is_answered)
        resolve_free(resolve);
    else if (resolve->request)
        evdns_getaddrinfo_cancel(resolve->request); /* on_answer() follows from the event loop */
}

#include "proxy/upstream/connect.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int connect_begin(const struct sockaddr_any *to, uint32_t mark, int *fd)
{
    int one = 1;
    int result = 0;
    *fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return errno;
    if (setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
        (mark && setsockopt(*fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0) ||
        connect(*fd, &to->sa, to->len) < 0)
        result = errno;
    if (result != 0 && result != EINPROGRESS) {
        close(*fd);
        *fd = -1;
    }
    return result;
}

enum reason connect_failed(struct telemetry_shard *telemetry, int error, char *text, size_t size)
{
    snprintf(text, size, "connect: %s", strerrordesc_np(error));
    switch (error) {
    case EMFILE:
    case ENFILE:
        telemetry_add(telemetry, COUNTER_SHED_DESCRIPTORS, 1);
        return REASON_NO_DESCRIPTORS;
    case ENOBUFS:
    case ENOMEM:
        telemetry_add(telemetry, COUNTER_SHED_MEMORY, 1);
        return REASON_NO_MEMORY;
    case ETIMEDOUT:
        return REASON_CONNECT_TIMEOUT;
    default:
        return REASON_CONNECT_FAILED;
    }
}

const struct endpoint *attempts_next(struct attempts *attempts, struct balancer *balancer,
                                     unsigned max, uint64_t now_ns)
{
    if (max > CONNECT_ATTEMPTS_MAX)
        max = CONNECT_ATTEMPTS_MAX;
    if (attempts->n >= max)
        return NULL;
    struct balanced *next = balancer_take(balancer, attempts->tried, attempts->n, now_ns);
    if (!next)
        return NULL;
    attempts->tried[attempts->n++] = next;
    attempts->started_ns = now_ns;
    return balanced_endpoint(next);
}

void attempts_failed(struct attempts *attempts, uint64_t penalty_ns, uint64_t now_ns)
{
    if (attempts->n)
        balanced_failed(attempts->tried[attempts->n - 1], penalty_ns, now_ns);
}

void attempts_connected(struct attempts *attempts, uint64_t now_ns)
{
    if (!attempts->n)
        return;
    struct balanced *current = attempts->tried[--attempts->n];
    attempts_end(attempts);
    attempts->tried[attempts->n++] = current;
    balanced_connected(current, now_ns - attempts->started_ns, now_ns);
}

unsigned attempts_result(struct attempts *attempts, const struct outlier_rules *rules,
                         enum outcome outcome, uint64_t now_ns)
{
    if (!attempts->n)
        return 0;
    return balanced_result(attempts->tried[attempts->n - 1], rules, outcome, now_ns);
}

void attempts_end(struct attempts *attempts)
{
    while (attempts->n)
        balanced_give(attempts->tried[--attempts->n]);
}

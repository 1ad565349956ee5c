#include "test/bench/tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

void tool_die(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

uint64_t tool_number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (end == text || *end) {
        fprintf(stderr, "%s: \"%s\" is not a number\n", program_invocation_short_name, text);
        exit(2);
    }
    return value;
}

struct sockaddr_any tool_target(const char *host, const char *port)
{
    struct ip ip;
    if (!ip_parse(slice_str(host), &ip)) {
        fprintf(stderr, "%s: \"%s\" is not an address\n", program_invocation_short_name, host);
        exit(2);
    }
    return addr_make(&ip, (uint16_t)tool_number(port));
}

void tool_raise_limits(void)
{
    struct rlimit files = {1 << 20, 1 << 20};
    if (setrlimit(RLIMIT_NOFILE, &files) == 0)
        return;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

int tool_listen(const char *port)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6,
                               .sin6_port = htons((uint16_t)tool_number(port))};
    int one = 1, listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (listener < 0 || bind(listener, (struct sockaddr *)&any, sizeof(any)) < 0 ||
        listen(listener, 4096) < 0)
        tool_die("listen");
    return listener;
}

void tool_set_nodelay(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

int tool_dial(const struct sockaddr_any *addr)
{
    int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, &addr->sa, addr->len) < 0)
        tool_die("connect");
    tool_set_nodelay(fd);
    return fd;
}

void tool_write(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n <= 0)
            tool_die("write");
        bytes += n;
        len -= (size_t)n;
    }
}

void tool_read(int fd, char *into, size_t len)
{
    while (len > 0) {
        ssize_t n = read(fd, into, len);
        if (n <= 0)
            tool_die(n < 0 ? "read" : "read: closed early");
        into += n;
        len -= (size_t)n;
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

void tool_report(uint64_t *latencies, uint64_t n, double seconds)
{
    qsort(latencies, n, sizeof(uint64_t), by_value);
    printf("{\"requests\": %llu, \"seconds\": %.3f, \"p50_us\": %.1f, \"p90_us\": %.1f, "
           "\"p99_us\": %.1f, \"max_us\": %.1f}\n",
           (unsigned long long)n, seconds, (double)latencies[n / 2] / 1e3,
           (double)latencies[n * 9 / 10] / 1e3, (double)latencies[n * 99 / 100] / 1e3,
           (double)latencies[n - 1] / 1e3);
}

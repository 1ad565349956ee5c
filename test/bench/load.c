/*
 * The load generator and the server of the benchmarks: one thread, epoll, no library, so that its
 * own cost stays small and the same for every proxy between the two.
 *
 *     load server PORT                          one listener; the first byte says what a client
 * wants: E echo, D discard until EOF and then answer one byte load bulk HOST PORT MIB CONNECTIONS
 * sends MIB in all; prints the seconds load connect HOST PORT COUNT PARALLEL     connect, echo one
 * byte, close; prints the seconds load echo HOST PORT RATE SECONDS CONNECTIONS SIZE open loop:
 * latency counts from the scheduled time load idle HOST PORT COUNT                 opens and proves
 * COUNT connections, prints "ready", holds them until standard input ends
 *
 * Prints one JSON object. Exit code 1 when anything failed: a benchmark of failures is worth
 * nothing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/cidr.h"
#include "common/clock.h"

#define CHUNK_BYTES (256 * 1024)
#define MAX_EVENTS  256

static char chunk[CHUNK_BYTES];

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (end == text || *end) {
        fprintf(stderr, "load: \"%s\" is not a number\n", text);
        exit(2);
    }
    return value;
}

static struct sockaddr_any target(const char *host, const char *port)
{
    struct ip ip;
    if (!ip_parse(slice_str(host), &ip)) {
        fprintf(stderr, "load: \"%s\" is not an address\n", host);
        exit(2);
    }
    return addr_make(&ip, (uint16_t)number(port));
}

static void set_nodelay(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* Blocking connect: connections under load are opened one after the other, as applications do. */
static int dial(const struct sockaddr_any *addr)
{
    int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, &addr->sa, addr->len) < 0)
        die("connect");
    set_nodelay(fd);
    return fd;
}

static void write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n <= 0)
            die("write");
        bytes += n;
        len -= (size_t)n;
    }
}

static void read_exactly(int fd, size_t len)
{
    while (len > 0) {
        ssize_t n = read(fd, chunk, len < sizeof(chunk) ? len : sizeof(chunk));
        if (n <= 0)
            die(n < 0 ? "read" : "read: closed early");
        len -= (size_t)n;
    }
}

/* ---- server ------------------------------------------------------------------------------------
 */

struct served {
    int fd;
    char mode; /* 0 until the first byte */
};

static void served_close(struct served *served)
{
    close(served->fd);
    free(served);
}

static void served_read(struct served *served)
{
    ssize_t n = read(served->fd, chunk, sizeof(chunk));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        if (n == 0 && served->mode == 'D' && write(served->fd, "!", 1) != 1)
            fprintf(stderr, "load: server: the answer was not taken\n");
        served_close(served);
        return;
    }
    const char *bytes = chunk;
    if (!served->mode) {
        served->mode = *bytes++;
        n--;
    }
    /* Echoes are small and windowed by the client, so they fit the socket's buffer. */
    if (served->mode == 'E' && n > 0 && write(served->fd, bytes, (size_t)n) != n)
        served_close(served);
}

static void serve(const char *port)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)number(port))};
    int one = 1, listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (listener < 0 || bind(listener, (struct sockaddr *)&any, sizeof(any)) < 0 ||
        listen(listener, 4096) < 0)
        die("listen");
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[MAX_EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(epoll, events, MAX_EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct served *served = events[i].data.ptr;
            if (served) {
                served_read(served);
                continue;
            }
            int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
            if (fd < 0)
                continue;
            set_nodelay(fd);
            served = calloc(1, sizeof(*served));
            if (!served)
                die("memory");
            served->fd = fd;
            event = (struct epoll_event){.events = EPOLLIN, .data.ptr = served};
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        }
    }
}

/* ---- bulk --------------------------------------------------------------------------------------
 */

static void bulk(const struct sockaddr_any *addr, uint64_t mib, size_t connections)
{
    int *fds = calloc(connections, sizeof(int));
    uint64_t *left = calloc(connections, sizeof(uint64_t));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!fds || !left || epoll < 0)
        die("memory");
    for (size_t i = 0; i < connections; i++) {
        fds[i] = dial(addr);
        write_all(fds[i], "D", 1);
        left[i] = mib * 1024 * 1024 / connections;
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLOUT, .data.u64 = i};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event);
    }
    uint64_t start = clock_now_ns();
    for (size_t open = connections; open > 0;) {
        struct epoll_event events[MAX_EVENTS];
        int n = epoll_wait(epoll, events, MAX_EVENTS, 60000);
        if (n <= 0)
            die("stalled");
        for (int e = 0; e < n; e++) {
            size_t i = (size_t)events[e].data.u64;
            ssize_t sent = write(fds[i], chunk, left[i] < sizeof(chunk) ? left[i] : sizeof(chunk));
            if (sent < 0 && errno != EAGAIN)
                die("write");
            left[i] -= sent > 0 ? (uint64_t)sent : 0;
            if (left[i] == 0) {
                epoll_ctl(epoll, EPOLL_CTL_DEL, fds[i], NULL);
                shutdown(fds[i], SHUT_WR);
                open--;
            }
        }
    }
    for (size_t i = 0; i < connections; i++) {
        fcntl(fds[i], F_SETFL, 0);
        read_exactly(fds[i], 1); /* the server has seen the end */
    }
    double seconds = (double)(clock_now_ns() - start) / 1e9;
    printf("{\"seconds\": %.6f, \"mib\": %llu}\n", seconds, (unsigned long long)mib);
    free(fds);
    free(left);
}

/* ---- connect -----------------------------------------------------------------------------------
 */

static int dial_start(const struct sockaddr_any *addr, int epoll)
{
    int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || (connect(fd, &addr->sa, addr->len) < 0 && errno != EINPROGRESS))
        die("connect");
    set_nodelay(fd);
    struct epoll_event event = {.events = EPOLLOUT, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    return fd;
}

static void connects(const struct sockaddr_any *addr, uint64_t count, uint64_t parallel)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t started = 0, done = 0, start = clock_now_ns();
    for (; started < parallel && started < count; started++)
        dial_start(addr, epoll);
    while (done < count) {
        struct epoll_event events[MAX_EVENTS];
        int n = epoll_wait(epoll, events, MAX_EVENTS, 30000);
        if (n <= 0)
            die("stalled");
        for (int e = 0; e < n; e++) {
            int fd = events[e].data.fd;
            if (events[e].events & EPOLLOUT) {
                write_all(fd, "Ex", 2);
                struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
                epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
                continue;
            }
            read_exactly(fd, 1);
            close(fd);
            done++;
            if (started < count) {
                dial_start(addr, epoll);
                started++;
            }
        }
    }
    double seconds = (double)(clock_now_ns() - start) / 1e9;
    printf("{\"seconds\": %.6f, \"connections\": %llu}\n", seconds, (unsigned long long)count);
}

/* ---- echo, open loop ---------------------------------------------------------------------------
 */

struct echo {
    int fd;
    size_t unread;     /* bytes of the answer that are still to come */
    uint64_t *queue;   /* scheduled times of the requests under way, oldest first */
    size_t head, tail; /* ever taken, ever added */
};

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void echo_read(struct echo *echo, size_t size, uint64_t *latencies, uint64_t *done)
{
    ssize_t n = read(echo->fd, chunk, sizeof(chunk));
    if (n <= 0)
        die("echo: read");
    uint64_t now = clock_now_ns();
    for (size_t got = (size_t)n; got > 0;) {
        size_t part = got < echo->unread ? got : echo->unread;
        got -= part;
        echo->unread -= part;
        if (echo->unread == 0) {
            latencies[(*done)++] = now - echo->queue[echo->head++];
            echo->unread = size;
        }
    }
}

static struct echo *echo_open(const struct sockaddr_any *addr, size_t connections, size_t size,
                              uint64_t total, int epoll)
{
    struct echo *echoes = calloc(connections, sizeof(*echoes));
    for (size_t i = 0; echoes && i < connections; i++) {
        echoes[i].fd = dial(addr);
        echoes[i].unread = size;
        echoes[i].queue = calloc(total / connections + 2, sizeof(uint64_t));
        if (!echoes[i].queue)
            die("memory");
        write_all(echoes[i].fd, "Ex", 2);
        read_exactly(echoes[i].fd, 1);
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
        epoll_ctl(epoll, EPOLL_CTL_ADD, echoes[i].fd, &event);
    }
    return echoes;
}

static void echo_report(uint64_t *latencies, uint64_t done, double seconds)
{
    qsort(latencies, done, sizeof(uint64_t), by_value);
    printf("{\"requests\": %llu, \"seconds\": %.3f, \"p50_us\": %.1f, \"p90_us\": %.1f, "
           "\"p99_us\": %.1f, "
           "\"max_us\": %.1f}\n",
           (unsigned long long)done, seconds, (double)latencies[done / 2] / 1e3,
           (double)latencies[done * 9 / 10] / 1e3, (double)latencies[done * 99 / 100] / 1e3,
           (double)latencies[done - 1] / 1e3);
}

static void echo(const struct sockaddr_any *addr, uint64_t rate, uint64_t seconds,
                 size_t connections, size_t size)
{
    uint64_t total = rate * seconds, sent = 0, done = 0;
    int epoll = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    uint64_t *latencies = calloc(total, sizeof(uint64_t));
    struct echo *echoes = echo_open(addr, connections, size, total, epoll);
    if (!latencies || !echoes || size > sizeof(chunk) || timer < 0)
        die("memory");
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = UINT64_MAX};
    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
    uint64_t start = clock_now_ns() + 10 * NS_PER_MS, period = NS_PER_SEC / rate;
    struct itimerspec when = {.it_value = {1, 0}};
    while (done < total) {
        uint64_t next = start + sent * period;
        if (sent < total && clock_now_ns() >= next) {
            struct echo *one = &echoes[sent % connections];
            one->queue[one->tail++] = next;
            write_all(one->fd, chunk, size);
            sent++;
            continue;
        }
        if (sent < total) {
            when.it_value =
                (struct timespec){(time_t)(next / NS_PER_SEC), (long)(next % NS_PER_SEC)};
            timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
        }
        struct epoll_event events[MAX_EVENTS];
        int n = epoll_wait(epoll, events, MAX_EVENTS, 10000);
        if (n <= 0)
            die("stalled");
        for (int e = 0; e < n; e++) {
            uint64_t ticks;
            if (events[e].data.u64 != UINT64_MAX)
                echo_read(&echoes[events[e].data.u64], size, latencies, &done);
            else if (read(timer, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
                die("timer");
        }
    }
    echo_report(latencies, done, (double)(clock_now_ns() - start) / 1e9);
}

/* ---- idle --------------------------------------------------------------------------------------
 */

static void idle(const struct sockaddr_any *addr, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        int fd = dial(addr); /* kept until the process ends */
        write_all(fd, "Ex", 2);
        read_exactly(fd, 1);
    }
    printf("ready\n");
    fflush(stdout);
    while (read(STDIN_FILENO, chunk, sizeof(chunk)) > 0)
        ;
}

int main(int argc, char **argv)
{
    struct rlimit files = {1 << 20, 1 << 20};
    if (setrlimit(RLIMIT_NOFILE, &files) < 0) {
        getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGPIPE, SIG_IGN);
    const char *mode = argc > 1 ? argv[1] : "";
    struct sockaddr_any addr = {.len = 0};
    if (argc > 3)
        addr = target(argv[2], argv[3]);
    if (!strcmp(mode, "server") && argc == 3)
        serve(argv[2]);
    else if (!strcmp(mode, "bulk") && argc == 6)
        bulk(&addr, number(argv[4]), number(argv[5]));
    else if (!strcmp(mode, "connect") && argc == 6)
        connects(&addr, number(argv[4]), number(argv[5]));
    else if (!strcmp(mode, "echo") && argc == 8)
        echo(&addr, number(argv[4]), number(argv[5]), number(argv[6]), number(argv[7]));
    else if (!strcmp(mode, "idle") && argc == 5)
        idle(&addr, number(argv[4]));
    else {
        fprintf(stderr, "load: usage: see the top of test/bench/load.c\n");
        return 2;
    }
    return 0;
}

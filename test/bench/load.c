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

#include "common/clock.h"
#include "test/bench/tool.h"

#define MAX_EVENTS 256

static char chunk[256 * 1024];

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
    int listener = tool_listen(port);
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
            tool_set_nodelay(fd);
            served = calloc(1, sizeof(*served));
            if (!served)
                tool_die("memory");
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
        tool_die("memory");
    for (size_t i = 0; i < connections; i++) {
        fds[i] = tool_dial(addr);
        tool_write(fds[i], "D", 1);
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
            tool_die("stalled");
        for (int e = 0; e < n; e++) {
            size_t i = (size_t)events[e].data.u64;
            ssize_t sent = write(fds[i], chunk, left[i] < sizeof(chunk) ? left[i] : sizeof(chunk));
            if (sent < 0 && errno != EAGAIN)
                tool_die("write");
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
        tool_read(fds[i], chunk, 1); /* the server has seen the end */
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
        tool_die("connect");
    tool_set_nodelay(fd);
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
            tool_die("stalled");
        for (int e = 0; e < n; e++) {
            int fd = events[e].data.fd;
            if (events[e].events & EPOLLOUT) {
                tool_write(fd, "Ex", 2);
                struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
                epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
                continue;
            }
            tool_read(fd, chunk, 1);
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

static void echo_read(struct echo *echo, size_t size, uint64_t *latencies, uint64_t *done)
{
    ssize_t n = read(echo->fd, chunk, sizeof(chunk));
    if (n <= 0)
        tool_die("echo: read");
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
        echoes[i].fd = tool_dial(addr);
        echoes[i].unread = size;
        echoes[i].queue = calloc(total / connections + 2, sizeof(uint64_t));
        if (!echoes[i].queue)
            tool_die("memory");
        tool_write(echoes[i].fd, "Ex", 2);
        tool_read(echoes[i].fd, chunk, 1);
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
        epoll_ctl(epoll, EPOLL_CTL_ADD, echoes[i].fd, &event);
    }
    return echoes;
}

static void echo(const struct sockaddr_any *addr, uint64_t rate, uint64_t seconds,
                 size_t connections, size_t size)
{
    uint64_t total = rate * seconds, sent = 0, done = 0;
    int epoll = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    uint64_t *latencies = calloc(total, sizeof(uint64_t));
    struct echo *echoes = echo_open(addr, connections, size, total, epoll);
    if (!latencies || !echoes || size > sizeof(chunk) || timer < 0)
        tool_die("memory");
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = UINT64_MAX};
    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
    uint64_t start = clock_now_ns() + 10 * NS_PER_MS, period = NS_PER_SEC / rate;
    struct itimerspec when = {.it_value = {1, 0}};
    while (done < total) {
        uint64_t next = start + sent * period;
        if (sent < total && clock_now_ns() >= next) {
            struct echo *one = &echoes[sent % connections];
            one->queue[one->tail++] = next;
            tool_write(one->fd, chunk, size);
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
            tool_die("stalled");
        for (int e = 0; e < n; e++) {
            uint64_t ticks;
            if (events[e].data.u64 != UINT64_MAX)
                echo_read(&echoes[events[e].data.u64], size, latencies, &done);
            else if (read(timer, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
                tool_die("timer");
        }
    }
    tool_report(latencies, done, (double)(clock_now_ns() - start) / 1e9);
}

/* ---- idle --------------------------------------------------------------------------------------
 */

static void idle(const struct sockaddr_any *addr, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        int fd = tool_dial(addr); /* kept until the process ends */
        tool_write(fd, "Ex", 2);
        tool_read(fd, chunk, 1);
    }
    printf("ready\n");
    fflush(stdout);
    while (read(STDIN_FILENO, chunk, sizeof(chunk)) > 0)
        ;
}

int main(int argc, char **argv)
{
    tool_raise_limits();
    signal(SIGPIPE, SIG_IGN);
    const char *mode = argc > 1 ? argv[1] : "";
    struct sockaddr_any addr = {.len = 0};
    if (argc > 3)
        addr = tool_target(argv[2], argv[3]);
    if (!strcmp(mode, "server") && argc == 3)
        serve(argv[2]);
    else if (!strcmp(mode, "bulk") && argc == 6)
        bulk(&addr, tool_number(argv[4]), tool_number(argv[5]));
    else if (!strcmp(mode, "connect") && argc == 6)
        connects(&addr, tool_number(argv[4]), tool_number(argv[5]));
    else if (!strcmp(mode, "echo") && argc == 8)
        echo(&addr, tool_number(argv[4]), tool_number(argv[5]), tool_number(argv[6]),
             tool_number(argv[7]));
    else if (!strcmp(mode, "idle") && argc == 5)
        idle(&addr, tool_number(argv[4]));
    else {
        fprintf(stderr, "load: usage: see the top of test/bench/load.c\n");
        return 2;
    }
    return 0;
}

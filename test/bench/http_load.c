/*
 * HTTP/1.1 load and the server for it: one thread, epoll, no library, so that its own cost stays
 * small and the same for every proxy between the two.
 *
 *     http_load server PORT                answers GET /N with N bytes, whatever else the head says
 *     http_load closed HOST PORT CONNECTIONS SECONDS SIZE
 *         each connection sends its next request when the last is answered
 *     http_load open HOST PORT CONNECTIONS SECONDS SIZE RATE
 *         RATE requests a second in all; latency counts from the scheduled time, also of a request
 *         that had to wait for a connection
 *     http_load idle HOST PORT CONNECTIONS one request on each, prints "ready", holds them until
 *         standard input ends
 *
 * Prints one JSON object. Exit code 1 when anything failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "test/bench/tool.h"

#define MAX_EVENTS     256
#define HEAD_MAX_BYTES 4096
#define BODY_MAX_BYTES (1024 * 1024)
#define READ_BYTES     (256 * 1024)

static char body[BODY_MAX_BYTES];
static char scratch[READ_BYTES];

/* ---- server ---------------------------------------------------------------------------------- */

struct served {
    int fd;
    size_t len; /* of an incomplete head */
    char head[HEAD_MAX_BYTES];
};

static bool serve_one(const struct served *served, const char *head)
{
    char answer[256];
    unsigned long size = strncmp(head, "GET /", 5) == 0 ? strtoul(head + 5, NULL, 10) : 0;
    if (size > sizeof(body))
        return false;
    int n = snprintf(answer, sizeof(answer),
                     "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nserver: load\r\n"
                     "content-length: %lu\r\n\r\n",
                     size);
    struct iovec parts[2] = {{answer, (size_t)n}, {body, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    size_t whole = (size_t)n + size;
    ssize_t sent = sendmsg(served->fd, &message, MSG_NOSIGNAL);
    if (sent == (ssize_t)whole)
        return true;
    if (sent < n)
        return false;
    /* A large body: the rest blocks, as the answers of all others do meanwhile. */
    fcntl(served->fd, F_SETFL, 0);
    for (size_t at = (size_t)sent - (size_t)n; at < size;) {
        ssize_t more = send(served->fd, body + at, size - at, MSG_NOSIGNAL);
        if (more <= 0)
            return false;
        at += (size_t)more;
    }
    fcntl(served->fd, F_SETFL, O_NONBLOCK);
    return true;
}

/* False: the connection is over. */
static bool serve_readable(struct served *served)
{
    ssize_t n = read(served->fd, served->head + served->len, sizeof(served->head) - served->len);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return false;
    served->len += (size_t)n;
    for (;;) {
        char *end = memmem(served->head, served->len, "\r\n\r\n", 4);
        if (!end)
            return served->len < sizeof(served->head);
        if (!serve_one(served, served->head))
            return false;
        size_t used = (size_t)(end + 4 - served->head);
        served->len -= used;
        memmove(served->head, served->head + used, served->len);
    }
}

static void serve_accept(int listener, int epoll)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct served *served = fd < 0 ? NULL : calloc(1, sizeof(*served));
    if (!served)
        return;
    tool_set_nodelay(fd);
    served->fd = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = served};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void serve(const char *port)
{
    int listener = tool_listen(port), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[MAX_EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    memset(body, 'x', sizeof(body));
    puts("ready");
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(epoll, events, MAX_EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct served *served = events[i].data.ptr;
            if (!served) {
                serve_accept(listener, epoll);
            } else if (!serve_readable(served)) {
                close(served->fd);
                free(served);
            }
        }
    }
}

/* ---- client ---------------------------------------------------------------------------------- */

struct asker {
    int fd;
    uint64_t due_ns; /* when the request under way was to be sent */
    size_t head_len; /* of an incomplete head in `head` */
    size_t left;     /* of the body */
    bool is_in_body;
    char head[HEAD_MAX_BYTES];
};

struct run {
    struct asker *askers;
    size_t n, *idle, n_idle;
    int epoll;
    char request[256];
    size_t request_len, size;
    uint64_t *latencies, n_done, room;
};

static void ask(struct run *run, struct asker *asker, uint64_t due_ns)
{
    asker->due_ns = due_ns;
    tool_write(asker->fd, run->request, run->request_len);
}

/* A head has come whole: its length, or 0. */
static size_t take_head(const struct run *run, struct asker *asker)
{
    char *end = memmem(asker->head, asker->head_len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    *end = '\0';
    char *length = strcasestr(asker->head, "\r\ncontent-length:");
    if (strncmp(asker->head, "HTTP/1.1 200", 12) != 0 || !length ||
        strtoul(length + 17, NULL, 10) != run->size) {
        fprintf(stderr, "http_load: unexpected answer: %s\n", asker->head);
        exit(1);
    }
    asker->left = run->size;
    asker->is_in_body = true;
    return (size_t)(end - asker->head) + 4;
}

/* Reads once. True: the answer is complete. */
static bool hear(const struct run *run, struct asker *asker)
{
    ssize_t n = read(asker->fd, scratch, sizeof(scratch));
    if (n <= 0)
        tool_die(n < 0 ? "read" : "closed early");
    size_t got = (size_t)n;
    if (!asker->is_in_body) {
        size_t before = asker->head_len;
        size_t copy = got < sizeof(asker->head) - before ? got : sizeof(asker->head) - before;
        memcpy(asker->head + before, scratch, copy);
        asker->head_len += copy;
        size_t head = take_head(run, asker);
        if (head == 0)
            return false;
        got -= head - before;
    }
    if (got > asker->left)
        tool_die("more than was asked for");
    asker->left -= got;
    if (asker->left)
        return false;
    asker->is_in_body = false;
    asker->head_len = 0;
    return true;
}

static void record(struct run *run, const struct asker *asker, uint64_t now_ns)
{
    if (run->n_done == run->room) {
        run->room = run->room ? run->room * 2 : 65536;
        run->latencies = realloc(run->latencies, run->room * sizeof(uint64_t));
        if (!run->latencies)
            tool_die("memory");
    }
    run->latencies[run->n_done++] = now_ns - asker->due_ns;
}

static void run_open(struct run *run, const struct sockaddr_any *addr, size_t n, size_t size)
{
    run->n = n;
    run->size = size;
    run->request_len = (size_t)snprintf(run->request, sizeof(run->request),
                                        "GET /%zu HTTP/1.1\r\nhost: load\r\n"
                                        "user-agent: load/1.0\r\naccept: */*\r\n\r\n",
                                        size);
    run->askers = calloc(n, sizeof(*run->askers));
    run->idle = calloc(n, sizeof(*run->idle));
    run->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!run->askers || !run->idle || run->epoll < 0)
        tool_die("memory");
    for (size_t i = 0; i < n; i++) {
        struct asker *asker = &run->askers[i];
        asker->fd = tool_dial(addr);
        ask(run, asker, clock_now_ns());
        while (!hear(run, asker))
            ;
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
        epoll_ctl(run->epoll, EPOLL_CTL_ADD, asker->fd, &event);
        run->idle[run->n_idle++] = i;
    }
}

static void closed(const struct sockaddr_any *addr, size_t n, uint64_t seconds, size_t size)
{
    struct run run = {0};
    run_open(&run, addr, n, size);
    uint64_t start = clock_now_ns(), end = start + seconds * NS_PER_SEC, now = start;
    size_t under_way = n;
    for (size_t i = 0; i < n; i++)
        ask(&run, &run.askers[i], start);
    while (under_way > 0) {
        struct epoll_event events[MAX_EVENTS];
        int ready = epoll_wait(run.epoll, events, MAX_EVENTS, 10000);
        if (ready <= 0)
            tool_die("stalled");
        for (int e = 0; e < ready; e++) {
            struct asker *asker = &run.askers[events[e].data.u64];
            if (!hear(&run, asker))
                continue;
            now = clock_now_ns();
            record(&run, asker, now);
            if (now < end)
                ask(&run, asker, now);
            else
                under_way--;
        }
    }
    tool_report(run.latencies, run.n_done, (double)(now - start) / 1e9);
}

static void open_loop(const struct sockaddr_any *addr, size_t n, uint64_t seconds, size_t size,
                      uint64_t rate)
{
    struct run run = {0};
    prctl(PR_SET_TIMERSLACK, 1000UL); /* 1 us: epoll's wait is what keeps the schedule */
    run_open(&run, addr, n, size);
    uint64_t total = rate * seconds, sent = 0, start = clock_now_ns();
    while (run.n_done < total) {
        uint64_t now = clock_now_ns();
        while (sent < total && run.n_idle > 0 && start + sent * NS_PER_SEC / rate <= now) {
            struct asker *asker = &run.askers[run.idle[--run.n_idle]];
            ask(&run, asker, start + sent * NS_PER_SEC / rate);
            sent++;
        }
        struct timespec wait = {10, 0};
        if (sent < total && run.n_idle > 0) {
            uint64_t next = start + sent * NS_PER_SEC / rate;
            wait = (struct timespec){0, next > now ? (long)(next - now) : 0};
        }
        struct epoll_event events[MAX_EVENTS];
        int ready = epoll_pwait2(run.epoll, events, MAX_EVENTS, &wait, NULL);
        if (ready < 0 || (ready == 0 && wait.tv_sec))
            tool_die("stalled");
        for (int e = 0; e < ready; e++) {
            size_t i = (size_t)events[e].data.u64;
            if (!hear(&run, &run.askers[i]))
                continue;
            record(&run, &run.askers[i], clock_now_ns());
            run.idle[run.n_idle++] = i;
        }
    }
    tool_report(run.latencies, run.n_done, (double)(clock_now_ns() - start) / 1e9);
}

static void idle(const struct sockaddr_any *addr, size_t n)
{
    struct run run = {0};
    run_open(&run, addr, n, 128);
    puts("ready");
    fflush(stdout);
    while (read(STDIN_FILENO, scratch, sizeof(scratch)) > 0)
        ;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    struct sockaddr_any addr = {.len = 0};
    tool_raise_limits();
    signal(SIGPIPE, SIG_IGN);
    if (argc > 3)
        addr = tool_target(argv[2], argv[3]);
    if (!strcmp(mode, "server") && argc == 3)
        serve(argv[2]);
    else if (!strcmp(mode, "closed") && argc == 7)
        closed(&addr, tool_number(argv[4]), tool_number(argv[5]), tool_number(argv[6]));
    else if (!strcmp(mode, "open") && argc == 8)
        open_loop(&addr, tool_number(argv[4]), tool_number(argv[5]), tool_number(argv[6]),
                  tool_number(argv[7]));
    else if (!strcmp(mode, "idle") && argc == 5)
        idle(&addr, tool_number(argv[4]));
    else {
        fprintf(stderr, "http_load: usage: see the top of test/bench/http_load.c\n");
        return 2;
    }
    return 0;
}

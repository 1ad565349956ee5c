/*
 * The floor that the proxies are measured against: a pair that only multiplexes bytes over one
 * plaintext hop, unparsed. No mesh proxy can be cheaper than moving the bytes.
 *
 *     floor near LISTEN_PORT FAR_HOST FAR_PORT      takes connections; frames what they say
 *     floor far LISTEN_PORT BACKEND_HOST BACKEND_PORT
 *
 * A frame is a connection's number and a length (4 bytes each), then the bytes; length 0 ends it.
 * One thread, epoll; everything that one turn produced for the hop goes in one write.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test/bench/tool.h"

#define MAX_EVENTS 256
#define MAX_EDGES  20000
#define READ_BYTES (16 * 1024)
#define HOP_BYTES  (16u << 20)
#define LISTENER   UINT32_MAX
#define HOP        (UINT32_MAX - 1)

struct frame {
    uint32_t edge, len;
};

static int edges[MAX_EDGES]; /* descriptor of each, -1: none */
static int epoll_fd, hop_fd;
static char out[HOP_BYTES], in[HOP_BYTES];
static size_t out_len, in_len;

static void watch(int fd, uint32_t what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = what};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        tool_die("epoll_ctl");
}

static void edge_close(uint32_t edge)
{
    if (edges[edge] >= 0)
        close(edges[edge]);
    edges[edge] = -1;
}

static void hop_put(uint32_t edge, const char *bytes, size_t len)
{
    struct frame frame = {edge, (uint32_t)len};
    if (out_len + sizeof(frame) + len > sizeof(out))
        tool_die("the hop is too slow");
    memcpy(out + out_len, &frame, sizeof(frame));
    memcpy(out + out_len + sizeof(frame), bytes, len);
    out_len += sizeof(frame) + len;
}

static void edge_readable(uint32_t edge)
{
    static char bytes[READ_BYTES];
    if (edges[edge] < 0)
        return;
    ssize_t n = read(edges[edge], bytes, sizeof(bytes));
    if (n < 0 && errno == EAGAIN)
        return;
    hop_put(edge, bytes, n > 0 ? (size_t)n : 0);
    if (n <= 0)
        edge_close(edge);
}

static void edge_write(uint32_t edge, const char *bytes, size_t len, const struct sockaddr_any *to)
{
    if (edge >= MAX_EDGES)
        tool_die("a frame for nobody");
    if (len == 0) {
        edge_close(edge);
        return;
    }
    if (edges[edge] < 0) {
        if (!to)
            return; /* the client has gone meanwhile */
        edges[edge] = tool_dial(to);
        fcntl(edges[edge], F_SETFL, O_NONBLOCK);
        watch(edges[edge], edge);
    }
    while (len > 0) {
        ssize_t n = write(edges[edge], bytes, len);
        if (n < 0 && errno != EAGAIN) {
            edge_close(edge);
            return;
        }
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
}

static void hop_readable(const struct sockaddr_any *to)
{
    struct frame frame;
    ssize_t n = read(hop_fd, in + in_len, sizeof(in) - in_len);
    if (n <= 0)
        exit(0); /* the other half has ended */
    in_len += (size_t)n;
    size_t at = 0;
    while (in_len - at >= sizeof(frame)) {
        memcpy(&frame, in + at, sizeof(frame));
        if (in_len - at - sizeof(frame) < frame.len)
            break;
        edge_write(frame.edge, in + at + sizeof(frame), frame.len, to);
        at += sizeof(frame) + frame.len;
    }
    memmove(in, in + at, in_len - at);
    in_len -= at;
}

static void accept_edge(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    uint32_t edge = 0;
    if (fd < 0)
        return;
    while (edge < MAX_EDGES && edges[edge] >= 0)
        edge++;
    if (edge == MAX_EDGES) {
        close(fd);
        return;
    }
    tool_set_nodelay(fd);
    edges[edge] = fd;
    watch(fd, edge);
}

static void turn(int listener, const struct sockaddr_any *to)
{
    struct epoll_event events[MAX_EVENTS];
    int n = epoll_wait(epoll_fd, events, MAX_EVENTS, -1);
    for (int i = 0; i < n; i++) {
        if (events[i].data.u32 == LISTENER)
            accept_edge(listener);
        else if (events[i].data.u32 == HOP)
            hop_readable(to);
        else
            edge_readable(events[i].data.u32);
    }
    if (out_len)
        tool_write(hop_fd, out, out_len);
    out_len = 0;
}

int main(int argc, char **argv)
{
    bool is_far = argc == 5 && !strcmp(argv[1], "far");
    if (!is_far && (argc != 5 || strcmp(argv[1], "near") != 0)) {
        fprintf(stderr, "floor: usage: see the top of test/bench/floor.c\n");
        return 2;
    }
    tool_raise_limits();
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < MAX_EDGES; i++)
        edges[i] = -1;
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct sockaddr_any to = tool_target(argv[3], argv[4]);
    int listener = tool_listen(argv[2]);
    puts("ready");
    fflush(stdout);
    if (is_far) {
        fcntl(listener, F_SETFL, 0);
        hop_fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        tool_set_nodelay(hop_fd);
    } else {
        hop_fd = tool_dial(&to);
        watch(listener, LISTENER);
    }
    watch(hop_fd, HOP);
    for (;;)
        turn(listener, is_far ? &to : NULL);
}

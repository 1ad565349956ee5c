/*
 * For the tests of the admin server: a server with pages of its own, and clients of it that turn
 * its loop while they wait.
 */
#ifndef OUTRIGGER_TEST_UNIT_COMMON_ADMIN_CLIENT_H
#define OUTRIGGER_TEST_UNIT_COMMON_ADMIN_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/admin_http.h"
#include "common/clock.h"

#define ANSWER_BYTES 65536

struct admin_scene {
    struct event_base *base;
    struct admin_http *admin;
    struct admin_limits limits;
};

static inline void scene_open(struct admin_scene *scene, const struct admin_page *pages, size_t n,
                              void *context)
{
    struct err err;
    struct ip loopback = {.family = AF_INET, .bytes = {127, 0, 0, 1}};
    struct sockaddr_any listen = addr_make(&loopback, 0);
    scene->base = event_base_new();
    scene->admin = admin_http_new(scene->base, &listen, pages, n, context, &err);
    assert_non_null(scene->admin);
    scene->limits = admin_default_limits;
    admin_http_set_limits(scene->admin, &scene->limits);
}

static inline void scene_close(struct admin_scene *scene)
{
    admin_http_free(scene->admin);
    event_base_free(scene->base);
}

static inline const struct admin_counts *counts(const struct admin_scene *scene)
{
    return admin_http_counts(scene->admin);
}

static inline void turn(struct admin_scene *scene)
{
    event_base_loop(scene->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

/* Turns the loop until `condition`; a test that waits for what never comes fails. */
#define TURN_UNTIL(scene, condition)                                                               \
    do {                                                                                           \
        uint64_t until_ns_ = clock_now_ns() + 10 * NS_PER_SEC;                                     \
        while (!(condition)) {                                                                     \
            turn(scene);                                                                           \
            if (clock_now_ns() > until_ns_)                                                        \
                fail_msg("never: %s", #condition);                                                 \
        }                                                                                          \
    } while (0)

static inline void send_all(int fd, const char *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

static inline int client_open(struct admin_scene *scene, const char *request)
{
    struct ip loopback = {.family = AF_INET, .bytes = {127, 0, 0, 1}};
    struct sockaddr_any addr = addr_make(&loopback, admin_http_port(scene->admin));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, &addr.sa, addr.len), 0);
    send_all(fd, request, strlen(request));
    return fd;
}

/* Reads on into `answer` (ANSWER_BYTES) until it contains `end`, or to its end when that is NULL.
 */
static inline void client_read(struct admin_scene *scene, int fd, char *answer, const char *end)
{
    size_t len = strlen(answer);
    for (bool is_done = false; !is_done;) {
        ssize_t n = -1;
        TURN_UNTIL(scene, (n = recv(fd, answer + len, ANSWER_BYTES - 1 - len, MSG_DONTWAIT)) >= 0 ||
                              errno != EAGAIN);
        len += n > 0 ? (size_t)n : 0;
        answer[len] = '\0';
        is_done = n <= 0 || (end && strstr(answer, end));
        if (n <= 0 && end)
            fail_msg("ended before \"%s\":\n%s", end, answer);
    }
}

/* The whole conversation of a client that says `request` and listens to the end. */
static inline void converse(struct admin_scene *scene, const char *request, char *answer)
{
    int fd = client_open(scene, request);
    answer[0] = '\0';
    client_read(scene, fd, answer, NULL);
    close(fd);
}

#endif

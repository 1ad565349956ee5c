/* common/admin_http.c: who may see which page, parameters, late answers. */
#include "common/admin_http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    struct event_base *base;
    struct admin_http *admin;
    struct admin_request *late; /* the request that /late has not answered yet */
};

static void serve_public(struct admin_request *request, void *context)
{
    (void)context;
    admin_reply_text(request, 200, "hello %s", "world");
}

static void serve_echo(struct admin_request *request, void *context)
{
    (void)context;
    const char *value = admin_request_param(request, "v");
    admin_reply_text(request, 200, "%s:%s", admin_request_is_post(request) ? "post" : "get",
                     value ? value : "(none)");
}

static void serve_json(struct admin_request *request, void *context)
{
    (void)context;
    admin_reply_json(request, json_pack("{s:i}", "answer", 42));
}

static void serve_late(struct admin_request *request, void *context)
{
    ((struct fixture *)context)->late = request;
}

static const struct admin_page pages[] = {
    {"/public", "GET", true, "for anyone", serve_public},
    {"/echo", "GET POST", false, "gives its parameter back", serve_echo},
    {"/json", "GET", false, "an object", serve_json},
    {"/late", "GET", false, "answered later", serve_late},
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct err err;
    struct ip loopback = {.family = AF_INET, .bytes = {127, 0, 0, 1}};
    struct sockaddr_any listen = addr_make(&loopback, 0);
    f->base = event_base_new();
    f->admin = admin_http_new(f->base, &listen, pages, sizeof(pages) / sizeof(pages[0]), f, &err);
    assert_non_null(f->admin);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    admin_http_free(f->admin);
    event_base_free(f->base);
    free(f);
    return 0;
}

static int client_open(struct fixture *f, const char *request)
{
    struct ip loopback = {.family = AF_INET, .bytes = {127, 0, 0, 1}};
    struct sockaddr_any addr = addr_make(&loopback, admin_http_port(f->admin));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, &addr.sa, addr.len), 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    return fd;
}

/* Turns the loop until the server has closed, and returns what it said. */
static void client_read(struct fixture *f, int fd, char *answer, size_t size)
{
    size_t len = 0;
    for (ssize_t n = -1; n != 0;) {
        event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        n = recv(fd, answer + len, size - 1 - len, MSG_DONTWAIT);
        if (n > 0)
            len += (size_t)n;
        else if (n < 0)
            assert_true(errno == EAGAIN);
    }
    answer[len] = '\0';
    close(fd);
}

static const struct row {
    const char *name, *request, *status, *contains;
} rows[] = {
    {"a public page", "GET /public HTTP/1.0\r\n\r\n", " 200 ", "hello world\n"},
    {"a public page by another name", "GET /public HTTP/1.0\r\nHost: evil.example\r\n\r\n", " 200 ",
     "hello"},
    {"head has a length and no body", "HEAD /public HTTP/1.0\r\n\r\n", " 200 ",
     "content-length: 12"},
    {"a query parameter", "GET /echo?v=a%20b HTTP/1.0\r\n\r\n", " 200 ", "get:a b\n"},
    {"no parameter", "GET /echo HTTP/1.0\r\n\r\n", " 200 ", "get:(none)\n"},
    {"a form",
     "POST /echo HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\n"
     "Content-Length: 5\r\n\r\nv=x+y",
     " 200 ", "post:x y\n"},
    {"json", "GET /json HTTP/1.0\r\nHost: 127.0.0.1:15000\r\n\r\n", " 200 ", "\"answer\": 42"},
    {"localhost", "GET /json HTTP/1.0\r\nHost: localhost:15000\r\n\r\n", " 200 ", "42"},
    {"v6 host", "GET /json HTTP/1.0\r\nHost: [::1]:15000\r\n\r\n", " 200 ", "42"},
    {"rebound name", "GET /json HTTP/1.0\r\nHost: evil.example:15000\r\n\r\n", " 403 ",
     "localhost"},
    {"other origin",
     "POST /echo HTTP/1.0\r\nHost: 127.0.0.1:1\r\nOrigin: http://evil.example\r\n"
     "Content-Length: 0\r\n\r\n",
     " 403 ", "localhost"},
    {"own origin",
     "POST /echo HTTP/1.0\r\nHost: 127.0.0.1:1\r\nOrigin: http://127.0.0.1:1\r\n"
     "Content-Length: 0\r\n\r\n",
     " 200 ", "post:"},
    {"wrong method", "POST /json HTTP/1.0\r\nContent-Length: 0\r\n\r\n", " 405 ",
     "allow: GET, HEAD\r\n"},
    {"odd method", "DELETE /json HTTP/1.0\r\n\r\n", " 405 ", "allow: GET, HEAD\r\n"},
    {"unknown page", "GET /nope HTTP/1.0\r\n\r\n", " 404 ", "/late"},
    {"the index", "GET / HTTP/1.0\r\n\r\n", " 200 ", "gives its parameter back"},
};

static void test_pages(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char answer[4096], first[64];
        client_read(f, client_open(f, rows[i].request), answer, sizeof(answer));
        snprintf(first, sizeof(first), "%.60s", answer);
        if (!strstr(first, rows[i].status) || !strstr(answer, rows[i].contains))
            fail_msg("%s: got\n%s", rows[i].name, answer);
        const char *body = strstr(answer, "\r\n\r\n");
        if (strncmp(rows[i].request, "HEAD", 4) == 0)
            assert_string_equal(body, "\r\n\r\n");
    }
}

static void test_late_answer(void **state)
{
    struct fixture *f = *state;
    char answer[4096];
    int fd = client_open(f, "GET /late HTTP/1.0\r\n\r\n");
    while (!f->late)
        event_base_loop(f->base, EVLOOP_ONCE);
    admin_reply_text(f->late, 200, "at last");
    client_read(f, fd, answer, sizeof(answer));
    assert_non_null(strstr(answer, "at last\n"));
}

static void test_late_answer_to_nobody(void **state)
{
    struct fixture *f = *state;
    int fd = client_open(f, "GET /late HTTP/1.0\r\n\r\n");
    while (!f->late)
        event_base_loop(f->base, EVLOOP_ONCE);
    close(fd);
    event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    admin_reply_text(f->late, 200, "to nobody");
    event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void test_late_answer_after_the_server(void **state)
{
    struct fixture *f = *state;
    int fd = client_open(f, "GET /late HTTP/1.0\r\n\r\n");
    while (!f->late)
        event_base_loop(f->base, EVLOOP_ONCE);
    admin_http_free(f->admin);
    f->admin = NULL;
    assert_null(admin_request_param(f->late, "v"));
    admin_reply_text(f->late, 200, "to nobody");
    close(fd);
}

static void test_address_in_use(void **state)
{
    struct fixture *f = *state;
    struct err err;
    struct ip loopback = {.family = AF_INET, .bytes = {127, 0, 0, 1}};
    struct sockaddr_any listen = addr_make(&loopback, admin_http_port(f->admin));
    assert_null(admin_http_new(f->base, &listen, pages, 1, f, &err));
    assert_non_null(strstr(err.text, "admin: listen at 127.0.0.1:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_late_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_late_answer_to_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_late_answer_after_the_server, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_address_in_use, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

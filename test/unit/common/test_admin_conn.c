/* common/admin_conn.c: what one connection may do, and what many may not. */
#include "test/unit/common/admin_client.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "common/admin_trim.h"

struct fixture {
    struct admin_scene scene;
    struct admin_request *late[8];
    size_t n_late;
};

static void serve_public(struct admin_request *request, void *context)
{
    (void)context;
    admin_reply_text(request, 200, "hello");
}

static void serve_echo(struct admin_request *request, void *context)
{
    (void)context;
    const char *value = admin_request_param(request, "v");
    admin_reply_text(request, 200, "%s", value ? value : "(none)");
}

static void serve_large(struct admin_request *request, void *context)
{
    (void)context;
    const size_t len = 16 << 20;
    char *text = malloc(len);
    memset(text, 'x', len);
    admin_reply(request, 200, "text/plain", text, len);
    free(text);
}

static void serve_late(struct admin_request *request, void *context)
{
    struct fixture *f = context;
    f->late[f->n_late++] = request;
}

static const struct admin_page pages[] = {
    {"/public", "GET", true, "", serve_public},
    {"/echo", "GET POST", true, "", serve_echo},
    {"/large", "GET", true, "", serve_large},
    {"/late", "GET", true, "", serve_late},
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    scene_open(&f->scene, pages, sizeof(pages) / sizeof(pages[0]), f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    scene_close(&f->scene);
    free(f);
    return 0;
}

#define HOST "Host: localhost\r\n"
#define LAST HOST "Connection: close\r\n"
#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"

static const struct row {
    const char *name, *request, *answers[3]; /* each has to follow the one before */
} rows[] = {
    {"keep-alive",
     "GET /public HTTP/1.1\r\n" HOST "\r\nGET /public HTTP/1.1\r\n" LAST "\r\n",
     {"hello\n", "HTTP/1.1 200 OK", "connection: close\r\n\r\nhello\n"}},
    {"keep-alive in 1.0",
     "GET /public HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /public HTTP/1.0\r\n\r\n",
     {"connection: keep-alive\r\n", "hello\n", "connection: close\r\n\r\nhello\n"}},
    {"an empty line between",
     "GET /public HTTP/1.1\r\n" HOST "\r\n\r\nGET /public HTTP/1.1\r\n" LAST "\r\n",
     {"hello\n", "HTTP/1.1 200 OK", "hello\n"}},
    {"a form in chunks",
     "POST /echo HTTP/1.1\r\n" LAST FORM "Transfer-Encoding: chunked\r\n\r\n"
     "3\r\nv=a\r\n2;x=y\r\n+b\r\n0\r\nTrailer-A: 1\r\n\r\n",
     {"200 OK", "a b\n"}},
    {"a query before a form",
     "POST /echo?v=1 HTTP/1.1\r\n" LAST FORM "Content-Length: 3\r\n\r\nv=2",
     {"\r\n1\n"}},
    {"a bad query is none", "GET /echo?v=%zz HTTP/1.1\r\n" LAST "\r\n", {"(none)"}},
    {"a body that nobody asked for",
     "GET /public HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabcGET /echo?v=9 HTTP/1.1\r\n" LAST
     "\r\n",
     {"hello\n", "\r\n9\n"}},
    {"expects",
     "POST /echo HTTP/1.1\r\n" LAST FORM "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nv=1",
     {"200 OK", "\r\n1\n"}},
    {"two framings",
     "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
     {"400 Bad Request", "both Content-Length and Transfer-Encoding\n"}},
    {"garbage", "\x16\x03\x01", {"400 Bad Request"}},
    {"a bare LF", "GET /public HTTP/1.1\n", {"400 Bad Request"}},
    {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {"505 "}},
    {"no Host", "GET /public HTTP/1.1\r\n\r\n", {"400 Bad Request"}},
    {"a length too large",
     "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 65537\r\n\r\n",
     {"413 "}},
    {"a bad chunk",
     "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n+1\r\n",
     {"400 ", "malformed chunk"}},
    {"a bad trailer",
     "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n\r\n",
     {"400 "}},
    {"CONNECT", "CONNECT a:1 HTTP/1.1\r\n" LAST "\r\n", {"404 "}},
    {"another method",
     "DELETE /echo HTTP/1.1\r\n" LAST "\r\n",
     {"405 ", "allow: GET, HEAD, POST\r\n"}},
};

static void check_row(const struct row *row, const char *answer, const char *how)
{
    const char *at = answer;
    for (size_t i = 0; i < 3 && row->answers[i]; i++) {
        const char *found = strstr(at, row->answers[i]);
        if (!found)
            fail_msg("%s (%s): no \"%s\" in\n%s", row->name, how, row->answers[i], answer);
        at = found + strlen(row->answers[i]);
    }
}

static void test_conversations(void **state)
{
    struct fixture *f = *state;
    char *answer = malloc(ANSWER_BYTES);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        converse(&f->scene, rows[i].request, answer);
        check_row(&rows[i], answer, "whole");
        /* Byte by byte; after a refusal the rest is not wanted. */
        int fd = client_open(&f->scene, "");
        for (const char *at = rows[i].request; *at; at++) {
            if (send(fd, at, 1, MSG_NOSIGNAL) < 0)
                break;
            turn(&f->scene);
        }
        answer[0] = '\0';
        client_read(&f->scene, fd, answer, NULL);
        check_row(&rows[i], answer, "byte by byte");
        close(fd);
    }
    free(answer);
    TURN_UNTIL(&f->scene, counts(&f->scene)->n_open == 0);
}

static void test_expect_is_answered_before_the_body(void **state)
{
    struct fixture *f = *state;
    char *answer = calloc(1, ANSWER_BYTES);
    int fd = client_open(&f->scene, "POST /echo HTTP/1.1\r\n" LAST FORM
                                    "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    client_read(&f->scene, fd, answer, "HTTP/1.1 100 Continue\r\n\r\n");
    send_all(fd, "v=1", 3);
    client_read(&f->scene, fd, answer, "\r\n1\n");
    close(fd);
    free(answer);
}

static void test_a_head_too_large(void **state)
{
    struct fixture *f = *state;
    char *answer = calloc(1, ANSWER_BYTES), *fields = malloc(20000);
    memset(fields, 'a', 20000);
    int fd = client_open(&f->scene, "GET /public HTTP/1.1\r\n" HOST "X: ");
    send_all(fd, fields, 20000);
    client_read(&f->scene, fd, answer, NULL);
    assert_non_null(strstr(answer, " 431 "));
    assert_int_equal(counts(&f->scene)->n_malformed, 1);
    close(fd);
    free(fields);
    free(answer);
}

static void test_a_body_too_large_in_chunks(void **state)
{
    struct fixture *f = *state;
    char *answer = calloc(1, ANSWER_BYTES), *body = malloc(70000);
    memset(body, 'a', 70000);
    int fd = client_open(&f->scene, "POST /echo HTTP/1.1\r\n" HOST
                                    "Transfer-Encoding: chunked\r\n\r\nfffff\r\n");
    send_all(fd, body, 70000);
    client_read(&f->scene, fd, answer, NULL); /* is heard, though much was sent after it */
    assert_non_null(strstr(answer, " 413 "));
    close(fd);
    free(body);
    free(answer);
}

/* ---- times ---- */

static void test_slow_requests(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *request, *answer;
        uint64_t n_timed_out;
    } cases[] = {
        {"", "", 1},
        {"GET /public HT", " 408 ", 2},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nv", " 408 ", 3},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n", " 408 ", 4},
        {"GET /public HTTP/1.1\r\n" HOST "\r\n", "hello\n", 4}, /* idle: closed in silence */
    };
    char *answer = malloc(ANSWER_BYTES);
    f->scene.limits.head_ms = f->scene.limits.body_ms = f->scene.limits.idle_ms = 20;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        converse(&f->scene, cases[i].request, answer);
        assert_non_null(strstr(answer, cases[i].answer));
        assert_int_equal(counts(&f->scene)->n_timed_out, cases[i].n_timed_out);
    }
    free(answer);
}

static void test_a_reader_that_stands_still(void **state)
{
    struct fixture *f = *state;
    f->scene.limits.stall_ms = 20;
    int fd = client_open(&f->scene, "GET /large HTTP/1.1\r\n" LAST "\r\n");
    TURN_UNTIL(&f->scene, counts(&f->scene)->n_stalled == 1);
    assert_int_equal(counts(&f->scene)->n_open, 0);
    close(fd);
}

static void test_a_reader_that_is_slow_but_reads(void **state)
{
    struct fixture *f = *state;
    size_t sum = 0;
    ssize_t n;
    char *bytes = malloc(1 << 20);
    int fd = client_open(&f->scene, "GET /large HTTP/1.1\r\n" LAST "\r\n");
    do {
        n = -1;
        TURN_UNTIL(&f->scene, (n = recv(fd, bytes, 1 << 20, MSG_DONTWAIT)) >= 0);
        sum += (size_t)n;
    } while (n > 0);
    assert_true(sum > 16 << 20);
    assert_int_equal(counts(&f->scene)->n_stalled, 0);
    close(fd);
    free(bytes);
}

/* ---- crowds ---- */

static void test_the_longest_waiting_makes_room(void **state)
{
    struct fixture *f = *state;
    char *answer = malloc(ANSWER_BYTES), byte;
    int waiting[4];
    f->scene.limits.connections = 4;
    for (size_t i = 0; i < 4; i++) {
        waiting[i] = client_open(&f->scene, "GET /pub");
        TURN_UNTIL(&f->scene, counts(&f->scene)->n_open == i + 1);
    }
    converse(&f->scene, "GET /public HTTP/1.1\r\n" LAST "\r\n", answer);
    assert_non_null(strstr(answer, "hello"));
    assert_int_equal(counts(&f->scene)->n_evicted, 1);
    assert_int_equal(recv(waiting[0], &byte, 1, MSG_DONTWAIT), 0);
    answer[0] = '\0';
    const char rest[] = "lic HTTP/1.1\r\n" LAST "\r\n"; /* the others may go on */
    send_all(waiting[1], rest, sizeof(rest) - 1);
    client_read(&f->scene, waiting[1], answer, "hello");
    for (size_t i = 0; i < 4; i++)
        close(waiting[i]);
    TURN_UNTIL(&f->scene, counts(&f->scene)->n_open == 0);
    free(answer);
}

static void test_who_is_served_does_not_make_room(void **state)
{
    struct fixture *f = *state;
    char *answer = malloc(ANSWER_BYTES);
    int busy[2];
    f->scene.limits.connections = 2;
    for (size_t i = 0; i < 2; i++)
        busy[i] = client_open(&f->scene, "GET /late HTTP/1.1\r\n" LAST "\r\n");
    TURN_UNTIL(&f->scene, f->n_late == 2);
    converse(&f->scene, "", answer);
    assert_string_equal(answer, "");
    assert_int_equal(counts(&f->scene)->n_refused, 1);
    for (size_t i = 0; i < 2; i++) {
        admin_reply_text(f->late[i], 200, "at last");
        answer[0] = '\0';
        client_read(&f->scene, busy[i], answer, "at last");
        close(busy[i]);
    }
    free(answer);
}

static size_t open_descriptors(void)
{
    size_t n = 0;
    for (int fd = 0; fd < 4096; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* Clients in a process that shares our descriptors would take the last ones; they are made before.
 */
static void test_without_descriptors(void **state)
{
    struct fixture *f = *state;
    struct rlimit before, none;
    char *answer = calloc(1, ANSWER_BYTES);
    int late = client_open(&f->scene, "GET /late HTTP/1.1\r\n" LAST "\r\n");
    TURN_UNTIL(&f->scene, f->n_late == 1);
    int first = client_open(&f->scene, "GET /public HTTP/1.1\r\n" LAST "\r\n");
    int second = client_open(&f->scene, "GET /late HTTP/1.1\r\n" LAST "\r\n");
    int third = client_open(&f->scene, "GET /public HTTP/1.1\r\n" LAST "\r\n");
    size_t n = open_descriptors();
    int spare = open("/dev/null", O_RDONLY | O_CLOEXEC); /* the lowest that is free */
    close(spare);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){(rlim_t)spare, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    /* One at a time, by the descriptor in reserve, though none is left. */
    client_read(&f->scene, first, answer, "hello");
    TURN_UNTIL(&f->scene, f->n_late == 2);
    /* The reserve is in use, nobody waits: no spinning, and nobody is lost. */
    for (int i = 0; i < 1000; i++)
        turn(&f->scene);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    answer[0] = '\0';
    client_read(&f->scene, third, answer, "hello");
    for (size_t i = 0; i < 2; i++)
        admin_reply_text(f->late[i], 200, "at last");
    close(late);
    close(first);
    close(second);
    close(third);
    TURN_UNTIL(&f->scene, counts(&f->scene)->n_open == 0);
    assert_int_equal(open_descriptors(), n - 5); /* four clients and the late connection */
    free(answer);
}

static void test_memory_is_given_back(void **state)
{
    struct fixture *f = *state;
    struct admin_trim trim;
    (void)f;
    struct event_base *base = event_base_new();
    admin_trim_init(&trim, base);
    for (int i = 0; i < ADMIN_TRIM_MIN_COMERS - 1; i++)
        admin_trim_came(&trim);
    assert_false(evtimer_pending(&trim.quiet, NULL));
    admin_trim_came(&trim);
    assert_true(evtimer_pending(&trim.quiet, NULL));
    event_base_dispatch(base); /* ends when no timer is left */
    assert_int_equal(trim.n_trims, 1);
    admin_trim_fini(&trim);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_conversations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expect_is_answered_before_the_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_head_too_large, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_body_too_large_in_chunks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_reader_that_stands_still, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_reader_that_is_slow_but_reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_longest_waiting_makes_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_is_served_does_not_make_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_descriptors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_is_given_back, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "proxy/probe/run.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/options.h"
#include "common/socket_bio.h"

#define READ_BYTES        4096
#define HEAD_MAX_BYTES    65536
#define REQUEST_MAX_BYTES 65536

/* An application that is cut off in its answer writes an error to its log, every few seconds. */
#define LINGER_MS        1000
#define LINGER_MAX_BYTES 65536

static void on_event(evutil_socket_t fd, short what, void *arg);

/* ---- the socket --------------------------------------------------------------------------------
 */

void probe_socket_fini(struct probe_run *run)
{
    if (run->fd < 0)
        return;
    event_del(&run->readable);
    event_del(&run->writable);
    if (run->ssl && !SSL_in_init(run->ssl))
        (void)SSL_shutdown(run->ssl);
    ERR_clear_error();
    SSL_free(run->ssl);
    close(run->fd);
    buf_fini(&run->in);
    buf_fini(&run->out);
}

/* 0: at the end. -1: later, an event will tell. -2: broken. */
static ssize_t plain_result(ssize_t n, struct event *event)
{
    if (n >= 0)
        return n;
    return (errno == EAGAIN || errno == EINTR) && event_add(event, NULL) == 0 ? -1 : -2;
}

static ssize_t tls_result(struct probe_run *run, int n)
{
    if (n > 0)
        return n;
    int error = SSL_get_error(run->ssl, n);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        event_add(error == SSL_ERROR_WANT_READ ? &run->readable : &run->writable, NULL);
        return -1;
    }
    return error == SSL_ERROR_ZERO_RETURN ? 0 : -2;
}

static ssize_t receive(struct probe_run *run, void *bytes, size_t size)
{
    ERR_clear_error();
    return run->ssl ? tls_result(run, SSL_read(run->ssl, bytes, (int)size))
                    : plain_result(recv(run->fd, bytes, size, 0), &run->readable);
}

static ssize_t transmit(struct probe_run *run, struct slice bytes)
{
    ERR_clear_error();
    return run->ssl
               ? tls_result(run, SSL_write(run->ssl, bytes.ptr, (int)bytes.len))
               : plain_result(send(run->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL), &run->writable);
}

static bool start_tls(struct probe_run *run, SSL_CTX *tls)
{
    BIO *bio = socket_bio_new(&run->fd);
    run->ssl = bio ? SSL_new(tls) : NULL;
    if (!run->ssl) {
        BIO_free(bio);
        return false;
    }
    SSL_set_bio(run->ssl, bio, bio); /* takes it over */
    SSL_set_connect_state(run->ssl);
    SSL_set_mode(run->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return true;
}

/* ---- what is asked -----------------------------------------------------------------------------
 */

/* Of the hop to us, or made by us. */
static bool is_left_out(struct slice name)
{
    static const char *const names[] = {
        "host",           "connection",        "keep-alive", "te",
        "trailer",        "transfer-encoding", "upgrade",    "expect",
        "content-length", "proxy-connection"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (name.len == strlen(names[i]) && strncasecmp(name.ptr, names[i], name.len) == 0)
            return true;
    return name.len >= strlen("outrigger-") &&
           strncasecmp(name.ptr, "outrigger-", strlen("outrigger-")) == 0;
}

/* A pod may ask for a Host of its own; else the kubelet names our address, and not a name. */
static bool write_host(struct probe_run *run, const struct sockaddr_any *address)
{
    char text[ADDR_TEXT_BYTES];
    struct ip ip;
    const char *host = admin_request_header(run->request, "Host");
    struct slice name = slice_str(host);
    const char *colon = name.len ? memrchr(name.ptr, ':', name.len) : NULL;
    struct slice bare = colon ? slice_of(name.ptr, (size_t)(colon - name.ptr)) : name;
    bool is_address = name.len == 0 || name.ptr[0] == '[' || ip_parse(bare, &ip);
    return buf_printf(&run->out, "Host: %s\r\n", is_address ? addr_format(address, text) : host);
}

static bool write_request(struct probe_run *run, const struct sockaddr_any *address)
{
    struct slice name, value;
    bool is_good = buf_printf(&run->out, "GET %.*s HTTP/1.1\r\n", SLICE_ARG(run->spec->target)) &&
                   write_host(run, address);
    for (size_t i = 0; is_good && admin_request_field_at(run->request, i, &name, &value); i++)
        if (!is_left_out(name))
            is_good = buf_printf(&run->out, "%.*s: %.*s\r\n", SLICE_ARG(name), SLICE_ARG(value));
    return is_good && buf_printf(&run->out, "Connection: close\r\n\r\n");
}

/* ---- what is answered --------------------------------------------------------------------------
 */

static void linger(struct probe_run *run)
{
    const struct timeval time = clock_timeval_ms(LINGER_MS);
    run->state = PROBE_LINGERING;
    event_add(&run->timer, &time);
}

/* "HTTP/1.1 200 OK": 200; 0: more is needed; -1: it is none. */
static int read_status(struct probe_run *run)
{
    struct slice in = buf_slice(&run->in);
    uint64_t status;
    struct err ignored;
    if (in.len < strlen("HTTP/1.1 200\n"))
        return 0;
    if (!slice_starts_with(in, SLICE_LITERAL("HTTP/1.")) || in.ptr[8] != ' ' ||
        !option_parse_uint(slice_sub(in, 9, 3), 100, 999, &status, &ignored))
        return -1;
    return (int)status;
}

static void judge(struct probe_run *run)
{
    int status = read_status(run);
    while (status >= 100 && status < 200) { /* not the answer yet */
        struct slice in = buf_slice(&run->in);
        const char *end = memmem(in.ptr, in.len, "\r\n\r\n", 4);
        if (!end)
            return;
        buf_consume(&run->in, (size_t)(end - in.ptr) + 4);
        status = read_status(run);
    }
    if (status == 0)
        return;
    if (status < 0) {
        probe_run_fail(run, "the application did not answer with HTTP/1.1");
        return;
    }
    probe_run_answer(run, status >= 200 && status < 400, "the application answered %d", status);
    linger(run);
}

static bool read_some(struct probe_run *run)
{
    char dropped[READ_BYTES];
    bool is_lingering = run->state == PROBE_LINGERING;
    char *room = is_lingering ? dropped : buf_room(&run->in, READ_BYTES);
    ssize_t n = room ? receive(run, room, READ_BYTES) : -2;
    if (n == -1)
        return false;
    if (n <= 0) {
        probe_run_fail(run, "the application closed the connection without an answer");
        return false;
    }
    if (!is_lingering) {
        buf_added(&run->in, (size_t)n);
        judge(run);
        return true;
    }
    run->n_dropped += (size_t)n;
    if (run->n_dropped > LINGER_MAX_BYTES)
        probe_run_end(run);
    return true;
}

static bool send_some(struct probe_run *run)
{
    struct slice bytes = buf_slice(&run->out);
    ssize_t n = transmit(run, bytes);
    if (n == -1)
        return false;
    if (n <= 0) {
        probe_run_fail(run, run->ssl ? "no TLS connection with the application"
                                     : "the application closed the connection");
        return false;
    }
    buf_consume(&run->out, (size_t)n);
    if (buf_len(&run->out) == 0)
        run->state = PROBE_READING;
    return true;
}

static bool connected(struct probe_run *run)
{
    int problem = 0;
    socklen_t len = sizeof(problem);
    if (getsockopt(run->fd, SOL_SOCKET, SO_ERROR, &problem, &len) < 0 || problem) {
        probe_run_fail(run, "no connection to the application: %s",
                       strerrordesc_np(problem ? problem : errno));
        return false;
    }
    run->state = PROBE_SENDING;
    if (run->spec->kind != PROBE_TCP)
        return true;
    probe_run_answer(run, true, "the application takes connections");
    probe_run_end(run);
    return false;
}

static bool step(struct probe_run *run)
{
    switch (run->state) {
    case PROBE_CONNECTING:
        return connected(run);
    case PROBE_SENDING:
        return send_some(run);
    case PROBE_READING:
    case PROBE_LINGERING:
        return read_some(run);
    case PROBE_ENDED:
        return false;
    }
    return false;
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    while (step(arg))
        ;
}

void probe_socket_start(struct probe_run *run, const struct sockaddr_any *address,
                        uint32_t socket_mark, SSL_CTX *tls)
{
    struct event_base *base = event_get_base(&run->timer);
    run->fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (run->fd < 0) {
        probe_run_fail(run, "no socket: %s", strerrordesc_np(errno));
        return;
    }
    buf_init(&run->in, HEAD_MAX_BYTES);
    buf_init(&run->out, REQUEST_MAX_BYTES);
    event_assign(&run->readable, base, run->fd, EV_READ, on_event, run);
    event_assign(&run->writable, base, run->fd, EV_WRITE, on_event, run);
    if (socket_mark)
        (void)setsockopt(run->fd, SOL_SOCKET, SO_MARK, &socket_mark, sizeof(socket_mark));
    if ((run->spec->kind != PROBE_TCP && !write_request(run, address)) ||
        (run->spec->kind == PROBE_HTTPS && (!tls || !start_tls(run, tls)))) {
        probe_run_fail(run, "out of memory");
        return;
    }
    if (connect(run->fd, &address->sa, address->len) < 0 && errno != EINPROGRESS)
        probe_run_fail(run, "no connection to the application: %s", strerrordesc_np(errno));
    else if (event_add(&run->writable, NULL) < 0)
        probe_run_fail(run, "out of memory");
}

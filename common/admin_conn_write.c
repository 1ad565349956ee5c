#include "common/admin_conn.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/http/h1_write.h"

/* Of answers that their clients have not taken yet, all together. */
#define OUTPUT_MAX_BYTES (128u << 20)

/* Everything has been written: what now? */
static void on_written(struct admin_conn *conn)
{
    if (conn->state == ADMIN_STREAMING)
        admin_conn_set_timer(conn, 0);
    if (conn->state != ADMIN_WRITING)
        return;
    if (!conn->is_last) {
        admin_conn_set_state(conn, ADMIN_IDLE);
        admin_conn_advance(conn);
    } else if (!admin_conn_send_end(conn)) {
        admin_conn_close(conn);
    } else {
        /* Closed with bytes unread, the kernel would reset, and the client might lose the answer.
         */
        admin_conn_set_state(conn, ADMIN_LINGERING);
    }
}

/* The time without progress begins again. */
static void on_progress(struct admin_conn *conn)
{
    if (conn->state == ADMIN_WRITING || conn->state == ADMIN_STREAMING)
        admin_conn_set_timer(conn, conn->conns->limits->stall_ms);
}

static void send_some(struct admin_conn *conn)
{
    bool has_progress = false;
    while (buf_len(&conn->out) > 0) {
        struct slice bytes = buf_slice(&conn->out);
        ssize_t n = admin_conn_send(conn, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            admin_conn_close(conn);
            return;
        }
        if (n < 0)
            break;
        has_progress = true;
        buf_consume(&conn->out, (size_t)n);
    }
    if (buf_len(&conn->out) == 0) {
        on_written(conn);
        return;
    }
    if (has_progress || !evtimer_pending(&conn->timer, NULL))
        on_progress(conn);
    if (conn->state != ADMIN_CLOSED && event_add(&conn->writable, NULL) < 0)
        admin_conn_close(conn);
}

void admin_conn_on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    send_some(arg);
}

void admin_conn_continue(struct admin_conn *conn)
{
    const struct head head = {.status = 100, .content_length = CONTENT_LENGTH_NONE};
    if (h1_write_response(&conn->out, &head, &(struct h1_write){.framing = H1_NO_BODY}))
        send_some(conn);
}

static size_t output_bytes(const struct admin_conns *conns)
{
    size_t sum = 0;
    LIST_EACH(node, &conns->busy) {
        sum += buf_len(&LIST_ENTRY(node, struct admin_conn, node)->out);
    }
    return sum;
}

static bool is_head_request(const struct admin_conn *conn)
{
    return conn->request && slice_eq_str(conn->request->head.method, "HEAD");
}

static bool append_answer(struct admin_conn *conn, struct head *head, struct slice body)
{
    const bool is_1_0 = conn->request && conn->request->head.version == HTTP_1_0;
    const struct h1_write how = {.framing = is_head_request(conn) ? H1_NO_BODY : H1_LENGTH,
                                 .close = conn->is_last,
                                 .keep_alive = is_1_0};
    head->content_length = (int64_t)body.len;
    if (body.len > OUTPUT_MAX_BYTES || output_bytes(conn->conns) + body.len > OUTPUT_MAX_BYTES)
        return false;
    return h1_write_response(&conn->out, head, &how) &&
           (is_head_request(conn) || buf_append(&conn->out, body.ptr, body.len));
}

void admin_conn_answer(struct admin_conn *conn, struct head *head, struct slice body)
{
    bool has_all = append_answer(conn, head, body);
    if (conn->request)
        admin_request_free(conn->request);
    conn->request = NULL;
    if (!has_all) {
        /* Half an answer would be worse than none. */
        conn->conns->counts.n_unanswered++;
        admin_conn_close(conn);
        return;
    }
    admin_conn_set_state(conn, ADMIN_WRITING);
    if (conn->state == ADMIN_WRITING)
        send_some(conn);
}

void admin_conn_refuse(struct admin_conn *conn, int status, const char *line)
{
    struct arena arena = {0};
    struct head head;
    char *text = arena_printf(&arena, "%s\n", line);
    head_init(&head, &arena);
    head.status = (uint16_t)status;
    conn->is_last = true;
    if (text && head_add_id(&head, FIELD_CONTENT_TYPE, SLICE_LITERAL("text/plain")))
        admin_conn_answer(conn, &head, slice_str(text));
    else
        admin_conn_close(conn);
    arena_fini(&arena);
}

bool admin_conn_stream_start(struct admin_conn *conn, struct head *head)
{
    const bool is_1_0 = conn->request->head.version == HTTP_1_0;
    const struct h1_write how = {.framing = is_1_0 ? H1_UNTIL_CLOSE : H1_CHUNKED, .close = true};
    if (!h1_write_response(&conn->out, head, &how))
        return false;
    conn->is_last = true;
    conn->conns->n_streams++;
    admin_conn_set_state(conn, ADMIN_STREAMING);
    if (conn->state == ADMIN_STREAMING)
        send_some(conn);
    return true;
}

static bool append_piece(struct admin_conn *conn, struct slice piece)
{
    if (conn->request->head.version == HTTP_1_0)
        return buf_append(&conn->out, piece.ptr, piece.len);
    return h1_write_chunk_start(&conn->out, piece.len) &&
           buf_append(&conn->out, piece.ptr, piece.len) && h1_write_chunk_end(&conn->out);
}

bool admin_conn_stream_piece(struct admin_conn *conn, struct slice piece)
{
    if (conn->state != ADMIN_STREAMING ||
        buf_len(&conn->out) > conn->conns->limits->stream_high_bytes)
        return false;
    if (piece.len == 0)
        return true;
    if (!append_piece(conn, piece)) {
        admin_conn_close(conn); /* half of it may be there */
        return false;
    }
    send_some(conn);
    return conn->state == ADMIN_STREAMING;
}

void admin_conn_stream_end(struct admin_conn *conn)
{
    bool has_end = conn->request->head.version == HTTP_1_0 ||
                   (conn->state == ADMIN_STREAMING && h1_write_last_chunk(&conn->out, NULL));
    admin_request_free(conn->request);
    conn->request = NULL;
    if (conn->state != ADMIN_STREAMING)
        return;
    conn->conns->n_streams--;
    if (!has_end) {
        conn->state = ADMIN_WRITING;
        admin_conn_close(conn);
        return;
    }
    admin_conn_set_state(conn, ADMIN_WRITING);
    if (conn->state == ADMIN_WRITING)
        send_some(conn);
}

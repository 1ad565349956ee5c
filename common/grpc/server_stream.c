#include "common/grpc/server_stream.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base64.h"
#include "common/clock.h"
#include "common/grpc/metadata.h"
#include "common/grpc/server_conn.h"

#define STREAM_MESSAGE_BYTES                                                                       \
    2048                           /* of a grpc-message; clients may take 8 KiB of trailers in all \
                                    */
#define STREAM_DETAILS_BYTES 65536 /* before base64 */

static struct grpc_stream *stream_of(struct grpc_pipe *pipe)
{
    return LIST_ENTRY(pipe, struct grpc_stream, pipe);
}

static struct grpc_server *server_of(const struct grpc_stream *stream)
{
    return stream->conn->server;
}

/* ---- life ----------------------------------------------------------------------------------- */

struct grpc_stream *grpc_stream_new(struct grpc_conn *conn)
{
    struct grpc_stream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        return NULL;
    const struct grpc_server_options *options = &conn->server->options;
    stream->conn = conn;
    grpc_pipe_init(&stream->pipe, options->max_message_bytes, options->max_queued_bytes, false);
    buf_init(&stream->message, STREAM_MESSAGE_BYTES);
    buf_init(&stream->details, base64_encoded_len(STREAM_DETAILS_BYTES));
    conn->server->stats.streams++;
    return stream;
}

static void stream_free(void *object)
{
    struct grpc_stream *stream = object;
    if (stream->deadline)
        event_free(stream->deadline);
    grpc_pipe_fini(&stream->pipe);
    buf_fini(&stream->message);
    buf_fini(&stream->details);
    free(stream);
}

static void stream_close(struct grpc_stream *stream)
{
    if (stream->state == GRPC_STREAM_CLOSED)
        return;
    stream->state = GRPC_STREAM_CLOSED;
    if (stream->deadline)
        event_del(stream->deadline);
    grpc_session_detach(&stream->pipe, NGHTTP2_CANCEL);
    server_of(stream)->stats.streams--;
    if (stream->is_accepted)
        stream->handlers.on_close(stream->context, stream);
    grpc_turn_bury(&server_of(stream)->turn, &stream->grave, stream, stream_free);
}

void grpc_stream_on_lost(struct grpc_pipe *pipe)
{
    stream_close(stream_of(pipe));
}

/* ---- the response --------------------------------------------------------------------------- */

static nghttp2_nv field(const char *name, struct slice value)
{
    /* nghttp2 copies both, and does not write. */
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name,
        .namelen = strlen(name),
        .value = (uint8_t *)(uintptr_t)value.ptr,
        .valuelen = value.len,
    };
}

static size_t status_fields(const struct grpc_stream *stream, char code[4], nghttp2_nv *fields)
{
    size_t n = 0;
    snprintf(code, 4, "%u", (unsigned)stream->code % 1000);
    fields[n++] = field("grpc-status", slice_str(code));
    if (buf_len(&stream->message))
        fields[n++] = field("grpc-message", buf_slice(&stream->message));
    if (buf_len(&stream->details))
        fields[n++] = field("grpc-status-details-bin", buf_slice(&stream->details));
    return n;
}

#define HEAD_FIELDS   3
#define STATUS_FIELDS 3

static size_t head_fields(nghttp2_nv *fields)
{
    fields[0] = field(":status", SLICE_LITERAL("200"));
    fields[1] = field("content-type", SLICE_LITERAL("application/grpc"));
    fields[2] = field("grpc-accept-encoding", SLICE_LITERAL("identity"));
    return HEAD_FIELDS;
}

static bool stream_is_on_wire(const struct grpc_stream *stream)
{
    return stream->pipe.session && !stream->pipe.is_closed && stream->pipe.session->h2;
}

static void submit(struct grpc_stream *stream, const nghttp2_nv *fields, size_t n,
                   const nghttp2_data_provider *source)
{
    if (!stream_is_on_wire(stream))
        return;
    nghttp2_session *h2 = stream->pipe.session->h2;
    if (nghttp2_submit_response(h2, stream->pipe.id, fields, n, source) != 0)
        nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, stream->pipe.id, NGHTTP2_INTERNAL_ERROR);
    stream->has_sent_head = true;
    grpc_session_run_soon(stream->pipe.session);
}

bool grpc_stream_send(struct grpc_stream *stream, struct slice message)
{
    if (stream->state != GRPC_STREAM_CALLED || !grpc_pipe_send(&stream->pipe, message))
        return false;
    if (!stream->has_sent_head) {
        nghttp2_nv fields[HEAD_FIELDS];
        nghttp2_data_provider source = grpc_session_source();
        submit(stream, fields, head_fields(fields), &source);
    }
    return true;
}

void grpc_stream_on_sent(struct grpc_pipe *pipe)
{
    struct grpc_stream *stream = stream_of(pipe);
    nghttp2_nv fields[STATUS_FIELDS];
    char code[4];
    size_t n = status_fields(stream, code, fields);
    nghttp2_submit_trailer(pipe->session->h2, pipe->id, fields, n);
}

static void note_status(struct grpc_stream *stream, enum grpc_code code, const char *message,
                        struct slice details)
{
    stream->code = code;
    /* Without memory the code goes alone. */
    char *room = message && *message ? buf_room(&stream->message, STREAM_MESSAGE_BYTES) : NULL;
    if (room)
        buf_added(&stream->message,
                  grpc_message_encode(slice_str(message), room, STREAM_MESSAGE_BYTES));
    room = details.len ? buf_room(&stream->details, base64_encoded_len(details.len)) : NULL;
    if (room)
        buf_added(&stream->details, base64_encode(BASE64_STANDARD, details, room));
}

void grpc_stream_end_details(struct grpc_stream *stream, enum grpc_code code, const char *message,
                             struct slice details)
{
    if (stream->state > GRPC_STREAM_CALLED)
        return;
    stream->state = GRPC_STREAM_ENDING;
    note_status(stream, code, message, details);
    grpc_pipe_done_sending(&stream->pipe);
    if (stream->has_sent_head)
        return;
    nghttp2_nv fields[HEAD_FIELDS + STATUS_FIELDS];
    char text[4];
    size_t n = head_fields(fields);
    n += status_fields(stream, text, fields + n);
    submit(stream, fields, n, NULL);
}

void grpc_stream_end(struct grpc_stream *stream, enum grpc_code code, const char *message)
{
    grpc_stream_end_details(stream, code, message, (struct slice){NULL, 0});
}

/* A client that does not even speak gRPC is answered in HTTP. */
static void end_as_http(struct grpc_stream *stream, struct slice http_status)
{
    nghttp2_nv status = field(":status", http_status);
    stream->state = GRPC_STREAM_ENDING;
    stream->pipe.is_out_done = true;
    submit(stream, &status, 1, NULL);
}

/* ---- the request's head --------------------------------------------------------------------- */

void grpc_stream_on_header(struct grpc_pipe *pipe, struct slice name, struct slice value)
{
    struct grpc_stream *stream = stream_of(pipe);
    struct grpc_request *request = &stream->request;
    if (request->is_complete)
        return; /* trailers of a request mean nothing to gRPC */
    if (slice_eq_str(name, ":method")) {
        request->is_post = slice_eq_str(value, "POST");
    } else if (slice_eq_str(name, ":path")) {
        snprintf(request->path, sizeof(request->path), "%.*s", SLICE_ARG(value));
    } else if (slice_eq_str(name, "content-type")) {
        request->is_grpc = grpc_content_type_is_ours(value);
    } else if (slice_eq_str(name, "grpc-encoding")) {
        request->is_compressed = !slice_eq_str(value, "identity");
    } else if (slice_eq_str(name, "grpc-timeout")) {
        request->has_timeout = true;
        request->has_bad_timeout = !grpc_timeout_parse(value, &request->timeout_ms);
    }
}

void grpc_stream_on_head(struct grpc_pipe *pipe)
{
    stream_of(pipe)->request.is_complete = true;
}

static const struct grpc_method *find_method(const struct grpc_stream *stream)
{
    const struct grpc_server_options *options = &server_of(stream)->options;
    for (size_t i = 0; i < options->n_methods; i++)
        if (strcmp(options->methods[i].path, stream->request.path) == 0)
            return &options->methods[i];
    return NULL;
}

/* The client gives up by itself; this is for the one that cannot say so any more. */
static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct grpc_stream *stream = arg;
    struct grpc_turn *turn = &server_of(stream)->turn;
    grpc_turn_enter(turn);
    if (stream_is_on_wire(stream) && buf_len(&stream->pipe.out) > 0)
        nghttp2_submit_rst_stream(stream->pipe.session->h2, NGHTTP2_FLAG_NONE, stream->pipe.id,
                                  NGHTTP2_CANCEL);
    else
        grpc_stream_end(stream, GRPC_DEADLINE_EXCEEDED, "the deadline of the call has passed");
    if (stream->pipe.session)
        grpc_session_run_soon(stream->pipe.session);
    grpc_turn_leave(turn);
}

static bool start_deadline(struct grpc_stream *stream)
{
    if (!stream->request.has_timeout)
        return true;
    struct timeval wait = clock_timeval_ms(stream->request.timeout_ms);
    stream->deadline = evtimer_new(server_of(stream)->base, on_deadline, stream);
    return stream->deadline && event_add(stream->deadline, &wait) == 0;
}

static void stream_begin(struct grpc_stream *stream)
{
    const struct grpc_request *request = &stream->request;
    const struct grpc_method *method = find_method(stream);
    char text[GRPC_STREAM_PATH_BYTES + 32];
    if (!request->is_post) {
        end_as_http(stream, SLICE_LITERAL("405"));
    } else if (!request->is_grpc) {
        end_as_http(stream, SLICE_LITERAL("415"));
    } else if (!method) {
        snprintf(text, sizeof(text), "there is no method %s", request->path);
        grpc_stream_end(stream, GRPC_UNIMPLEMENTED, text);
    } else if (request->has_bad_timeout) {
        grpc_stream_end(stream, GRPC_INTERNAL, "grpc-timeout is not understood");
    } else if (!start_deadline(stream)) {
        grpc_stream_end(stream, GRPC_RESOURCE_EXHAUSTED, "out of memory");
    } else {
        stream->state = GRPC_STREAM_CALLED;
        server_of(stream)->stats.calls++;
        method->on_call(server_of(stream)->options.service, stream);
        if (!stream->is_accepted && stream->state == GRPC_STREAM_CALLED)
            grpc_stream_end(stream, GRPC_INTERNAL, "the method has not taken the call");
    }
}

/* ---- messages ------------------------------------------------------------------------------- */

static void end_as_bad(struct grpc_stream *stream, enum grpc_pipe_next what, uint32_t announced)
{
    char text[128];
    switch (what) {
    case GRPC_PIPE_TOO_LONG:
        snprintf(text, sizeof(text), "a message of %u bytes, at most %zu are taken", announced,
                 stream->pipe.max_message_bytes);
        grpc_stream_end(stream, GRPC_RESOURCE_EXHAUSTED, text);
        break;
    case GRPC_PIPE_COMPRESSED:
        if (stream->request.is_compressed)
            grpc_stream_end(stream, GRPC_UNIMPLEMENTED, "compressed messages are not taken");
        else
            grpc_stream_end(stream, GRPC_INTERNAL, "a compressed message without grpc-encoding");
        break;
    case GRPC_PIPE_CUT:
        grpc_stream_end(stream, GRPC_INTERNAL, "the request ended in the middle of a message");
        break;
    default:
        grpc_stream_end(stream, GRPC_INTERNAL, "the request holds what is no gRPC message");
        break;
    }
}

static void hand_out(struct grpc_stream *stream)
{
    struct slice message;
    uint32_t announced = 0;
    while (stream->state == GRPC_STREAM_CALLED && !stream->is_done_told) {
        enum grpc_pipe_next what = grpc_pipe_next(&stream->pipe, &message, &announced);
        switch (what) {
        case GRPC_PIPE_MESSAGE:
            stream->handlers.on_message(stream->context, stream, message);
            break;
        case GRPC_PIPE_WAIT:
            return;
        case GRPC_PIPE_END:
            stream->is_done_told = true;
            if (stream->handlers.on_peer_done)
                stream->handlers.on_peer_done(stream->context, stream);
            return;
        default:
            end_as_bad(stream, what, announced);
            return;
        }
    }
}

void grpc_stream_on_ready(struct grpc_pipe *pipe)
{
    struct grpc_stream *stream = stream_of(pipe);
    /* One that was reset in the same read costs its method nothing ("rapid reset"). */
    if (stream->state == GRPC_STREAM_HEAD && stream->request.is_complete && !pipe->is_closed)
        stream_begin(stream);
    if (stream->state == GRPC_STREAM_CALLED && stream->is_accepted && !pipe->is_closed)
        hand_out(stream);
    if (stream->state == GRPC_STREAM_CALLED && stream->is_accepted &&
        grpc_pipe_take_writable(pipe) && stream->handlers.on_writable)
        stream->handlers.on_writable(stream->context, stream);
    if (pipe->is_closed)
        stream_close(stream);
}

/* ---- for the method ------------------------------------------------------------------------- */

void grpc_stream_accept(struct grpc_stream *stream, const struct grpc_stream_handlers *handlers,
                        void *context)
{
    stream->handlers = *handlers;
    stream->context = context;
    stream->is_accepted = true;
}

void grpc_stream_pause(struct grpc_stream *stream)
{
    grpc_pipe_pause(&stream->pipe);
}

void grpc_stream_resume(struct grpc_stream *stream)
{
    grpc_pipe_resume(&stream->pipe);
}

struct slice grpc_stream_peer_id(const struct grpc_stream *stream)
{
    return slice_str(stream->conn->session.transport.peer.id);
}

int64_t grpc_stream_peer_not_after(const struct grpc_stream *stream)
{
    return stream->conn->session.transport.peer.not_after;
}

const struct sockaddr_any *grpc_stream_peer_addr(const struct grpc_stream *stream)
{
    return &stream->conn->peer;
}

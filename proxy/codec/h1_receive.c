/* Incoming messages: from bytes to the stream's events. */
#include "proxy/codec/h1_stream.h"

void h1_tell_data(struct h1 *h1, struct slice data, bool is_end)
{
    struct h1_stream *stream = h1->stream;
    if (is_end)
        h1_set_state(h1, H1_STATE_RECEIVED);
    if (!stream) { /* answered early, and its owner has let go */
        h1->dropped_bytes += data.len;
        if (h1->dropped_bytes > H1_DISCARD_MAX_BYTES)
            h1_linger(h1, REASON_DONE, "the rest of a body that nobody reads is too long");
        output_mark(&h1->output);
        return;
    }
    stream->stream.is_received = is_end;
    stream->stream.events->on_data(&stream->stream, data, is_end);
}

bool h1_begin_body(struct h1 *h1, const struct head *head)
{
    h1_body_init(&h1->body, &h1->message, head);
    bool is_over = h1->message.framing == H1_NO_BODY ||
                   (h1->message.framing == H1_LENGTH && head->content_length == 0);
    h1_set_state(h1, is_over ? H1_STATE_RECEIVED : H1_STATE_BODY);
    if (is_over)
        h1->stream->stream.is_received = true;
    return is_over;
}

/*
 * Behind a piece of the body: has it ended, as far as can be seen? The end is then told with the
 * piece, which saves whoever sends it on a frame, or a chunk, of its own.
 */
static bool h1_body_is_over(struct h1 *h1, struct slice *input)
{
    struct h1_body body = h1->body;
    struct slice rest = *input;
    struct slice data;
    enum h1_body_result result = h1_body_next(&body, &rest, &data);
    if (result == H1_BODY_TRAILERS) {
        size_t seen = 0;
        enum h1_fault fault = H1_FAULT_NONE;
        size_t len = h1_trailers_end(rest, &seen, &h1->codec.shared->limits->h1, &fault);
        if (len != 2 || fault != H1_FAULT_NONE)
            return false;
        rest = slice_sub(rest, len, rest.len);
    } else if (result != H1_BODY_END) {
        return false;
    }
    h1->body = body;
    *input = rest;
    return true;
}

/* True: there may be more to understand. */
static bool h1_read_body(struct h1 *h1, struct slice *input)
{
    struct slice data;
    switch (h1_body_next(&h1->body, input, &data)) {
    case H1_BODY_MORE:
        return false;
    case H1_BODY_DATA:
        h1_tell_data(h1, data, h1_body_is_over(h1, input));
        return true;
    case H1_BODY_TRAILERS:
        h1->seen = 0;
        h1_set_state(h1, H1_STATE_TRAILERS);
        return true;
    case H1_BODY_END:
        h1_tell_data(h1, slice_of(NULL, 0), true);
        return true;
    case H1_BODY_BAD:
        h1->role->on_fault(h1, H1_FAULT_CHUNK);
        return false;
    }
    return false;
}

static enum h1_fault h1_parse_trailer_section(struct h1 *h1, struct slice section,
                                              struct head **trailers)
{
    struct arena *arena = &h1->stream->stream.arena;
    char *text = arena_take(arena, section.len);
    *trailers = arena_take(arena, sizeof(**trailers));
    if (!text || !*trailers)
        return H1_FAULT_NO_MEMORY;
    memcpy(text, section.ptr, section.len);
    head_init(*trailers, arena);
    return h1_parse_trailers(text, section.len, &h1->codec.shared->limits->h1, *trailers);
}

static bool h1_read_trailers(struct h1 *h1, struct slice *input)
{
    enum h1_fault fault = H1_FAULT_NONE;
    struct head *trailers = NULL;
    size_t len = h1_trailers_end(*input, &h1->seen, &h1->codec.shared->limits->h1, &fault);
    if (len == 0 && fault == H1_FAULT_NONE)
        return false;
    struct h1_stream *stream = h1->stream;
    if (fault == H1_FAULT_NONE && len > 2 && stream)
        fault = h1_parse_trailer_section(h1, slice_sub(*input, 0, len), &trailers);
    if (fault != H1_FAULT_NONE) {
        h1->role->on_fault(h1, fault);
        return false;
    }
    *input = slice_sub(*input, len, input->len);
    if (!trailers || trailers->n_fields == 0) {
        h1_tell_data(h1, slice_of(NULL, 0), true);
        return true;
    }
    h1_set_state(h1, H1_STATE_RECEIVED);
    stream->stream.is_received = true;
    stream->stream.events->on_trailers(&stream->stream, trailers);
    return true;
}

static struct slice h1_take_all(struct slice *input)
{
    struct slice all = *input;
    *input = slice_sub(all, all.len, 0);
    return all;
}

static void h1_drop(struct h1 *h1, struct slice data)
{
    h1->dropped_bytes += data.len;
    if (h1->dropped_bytes > H1_LINGER_MAX_BYTES)
        h1_fail(h1, STREAM_CUT_CONNECTION, false, h1->reason, h1->detail);
}

void h1_understand(struct h1 *h1, struct slice *input)
{
    bool goes_on = true;
    while (goes_on && h1_wants_input(h1)) {
        switch (h1->state) {
        case H1_STATE_IDLE:
        case H1_STATE_HEAD:
            goes_on = input->len && h1->role->read_head(h1, input);
            break;
        case H1_STATE_BODY:
            goes_on = h1_read_body(h1, input);
            break;
        case H1_STATE_TRAILERS:
            goes_on = h1_read_trailers(h1, input);
            break;
        case H1_STATE_TUNNEL:
            goes_on = false;
            if (input->len)
                h1_tell_data(h1, h1_take_all(input), false);
            break;
        case H1_STATE_LINGER:
            goes_on = false;
            h1_drop(h1, h1_take_all(input));
            break;
        case H1_STATE_RECEIVED:
        case H1_STATE_PENDING:
        case H1_STATE_CLOSED:
            return;
        }
    }
}

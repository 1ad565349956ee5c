/*
 * Bodies of HTTP/1.x: the same data and the same end however the bytes are cut; and what the data
 * is, written as chunks and read again.
 */
// fuzz: common
#include "common/http/h1_write.h"
#include "test/fuzz/h1_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Appends the data to `out`; returns how it ended, and in *left how much was not the body's. */
static enum h1_body_result read_body(struct h1_body body, struct slice bytes, size_t step,
                                     struct buf *out, size_t *left)
{
    enum h1_body_result result = H1_BODY_MORE;
    while (result == H1_BODY_MORE) {
        struct slice piece = slice_sub(bytes, 0, step), data;
        bytes = slice_sub(bytes, piece.len, bytes.len);
        size_t before = piece.len;
        while ((result = h1_body_next(&body, &piece, &data)) == H1_BODY_DATA) {
            need(data.len > 0 && data.len <= before - piece.len);
            need(buf_append(out, data.ptr, data.len));
            before = piece.len;
        }
        need(result != H1_BODY_MORE || piece.len == 0);
        *left = bytes.len + piece.len;
        if (bytes.len == 0)
            break;
    }
    return result;
}

static void read_as_written(struct slice data, size_t step)
{
    const struct h1_message chunked = {.framing = H1_CHUNKED};
    const struct head none = {.content_length = CONTENT_LENGTH_NONE};
    struct h1_body body;
    struct buf written, again;
    size_t left;
    buf_init(&written, 1 << 20);
    buf_init(&again, 1 << 20);
    for (size_t at = 0; at < data.len; at += step) {
        struct slice piece = slice_sub(data, at, step);
        need(h1_write_chunk_start(&written, piece.len) &&
             buf_append(&written, piece.ptr, piece.len) && h1_write_chunk_end(&written));
    }
    need(h1_write_last_chunk(&written, NULL));
    h1_body_init(&body, &chunked, &none);
    need(read_body(body, buf_slice(&written), step + 1, &again, &left) == H1_BODY_TRAILERS);
    need(slice_eq(buf_slice(&again), data));
    buf_fini(&written);
    buf_fini(&again);
}

/* data[0]: the framing; data[1]: in pieces of how many bytes, and the length. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 8192)
        return 0;
    const struct h1_message message = {.framing = data[0] % 5};
    const struct head head = {.content_length = data[1]};
    const size_t step = (size_t)data[1] % 32 + 1;
    struct slice bytes = slice_of(data + 2, size - 2);
    struct h1_body body;
    struct buf whole, cut;
    size_t left, cut_left;
    buf_init(&whole, 1 << 20);
    buf_init(&cut, 1 << 20);
    h1_body_init(&body, &message, &head);
    enum h1_body_result result = read_body(body, bytes, SIZE_MAX, &whole, &left);
    need(read_body(body, bytes, step, &cut, &cut_left) == result);
    need(left == cut_left && slice_eq(buf_slice(&whole), buf_slice(&cut)));
    if (message.framing == H1_CHUNKED)
        read_as_written(buf_slice(&whole), step);
    if (result == H1_BODY_TRAILERS) {
        const struct h1_limits limits = FUZZ_LIMITS;
        struct arena arena = {0};
        struct head trailers;
        enum h1_fault fault;
        struct slice rest = slice_sub(bytes, bytes.len - left, left);
        size_t seen = 0, len = h1_trailers_end(rest, &seen, &limits, &fault);
        char *text = malloc(len ? len : 1);
        memcpy(text, rest.ptr ? rest.ptr : "", len);
        head_init(&trailers, &arena);
        if (len > 0 && h1_parse_trailers(text, len, &limits, &trailers) == H1_FAULT_NONE)
            check_fields(&trailers);
        arena_fini(&arena);
        free(text);
    }
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}

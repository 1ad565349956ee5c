#include "proxy/codec/output.h"

#include <assert.h>

#include "proxy/codec/slabs.h"

/* Beyond this, writing at once costs less than the copy. */
#define DIRECT_BYTES (8 * 1024)

void output_init(struct output *output, struct codec *codec, const struct output_events *events)
{
    *output = (struct output){.codec = codec, .events = events, .state = CONN_SENT};
    list_init(&output->node);
}

static void output_give_buffer(struct output *output)
{
    slabs_give(output->codec->shared->slabs, output->gathered.data);
    output->gathered = (struct buf){0};
}

void output_fini(struct output *output)
{
    output_give_buffer(output);
    list_remove(&output->node);
}

void output_mark(struct output *output)
{
    if (list_is_empty(&output->node))
        list_append(&output->codec->shared->dirty, &output->node);
}

static bool output_is_over(const struct output *output)
{
    return output->state == CONN_BROKEN || output->state == CONN_SHED;
}

size_t output_waiting(const struct output *output)
{
    return buf_len(&output->gathered) + buf_len(&output->codec->conn.out);
}

bool output_is_high(struct output *output)
{
    if (output_waiting(output) > output->codec->shared->limits->output_high_bytes)
        output->is_high = true;
    return output->is_high;
}

void output_tell_sent(struct output *output)
{
    output->tells_sent = true;
    output_mark(output);
}

/* What is told of a failed write comes at the end of the turn. */
static bool output_push(struct output *output, const struct slice *pieces, size_t n)
{
    output->state = conn_writev(&output->codec->conn, pieces, n);
    for (size_t i = 0; i < n; i++)
        output->codec->bytes_written += pieces[i].len;
    if (output_is_over(output))
        output_mark(output);
    return !output_is_over(output);
}

static bool output_push_gathered(struct output *output)
{
    struct slice gathered = buf_slice(&output->gathered);
    bool is_good = gathered.len == 0 || output_push(output, &gathered, 1);
    output_give_buffer(output);
    return is_good;
}

void output_push_now(struct output *output)
{
    if (output->state == CONN_SENT)
        (void)!output_push_gathered(output);
}

/* The ceiling is below the size so that buf never asks for other memory, even for a NUL. */
static bool output_take_buffer(struct output *output)
{
    if (output->gathered.data)
        return true;
    char *memory = slabs_take(output->codec->shared->slabs, OUTPUT_GATHERED_BYTES);
    if (!memory) {
        output->state = CONN_SHED;
        output_mark(output);
        return false;
    }
    output->gathered = (struct buf){
        .data = memory, .size = OUTPUT_GATHERED_BYTES, .max = OUTPUT_GATHERED_BYTES - 1};
    return true;
}

struct buf *output_room(struct output *output, size_t len)
{
    assert(len < OUTPUT_GATHERED_BYTES);
    if (output_is_over(output))
        return NULL;
    output_mark(output);
    if (buf_len(&output->gathered) + len > OUTPUT_GATHERED_BYTES - 1 &&
        !output_push_gathered(output))
        return NULL;
    return output_take_buffer(output) ? &output->gathered : NULL;
}

/* TLS: whole records from the gathered and the data together, the rest is gathered. */
static bool output_add_records(struct output *output, struct slice data)
{
    size_t gathered = buf_len(&output->gathered);
    if (gathered) {
        struct slice top = slice_sub(data, 0, OUTPUT_GATHERED_BYTES - gathered);
        /* The one byte below the ceiling is ours. */
        memcpy(output->gathered.data + gathered, top.ptr, top.len);
        output->gathered.end += top.len;
        data = slice_sub(data, top.len, data.len);
    }
    size_t whole = data.len - data.len % OUTPUT_GATHERED_BYTES;
    struct slice pieces[] = {buf_slice(&output->gathered), slice_sub(data, 0, whole)};
    if (!output_push(output, pieces, 2))
        return false;
    output_give_buffer(output);
    data = slice_sub(data, whole, data.len);
    return data.len == 0 || output_add(output, data);
}

bool output_add(struct output *output, struct slice data)
{
    if (output_is_over(output))
        return false;
    if (data.len == 0)
        return true;
    size_t sum = buf_len(&output->gathered) + data.len;
    if (sum < OUTPUT_GATHERED_BYTES && (output->codec->conn.tls || data.len < DIRECT_BYTES)) {
        struct buf *room = output_room(output, data.len);
        return room && buf_append(room, data.ptr, data.len);
    }
    output_mark(output);
    if (output->codec->conn.tls && sum >= OUTPUT_GATHERED_BYTES)
        return output_add_records(output, data);
    struct slice pieces[] = {buf_slice(&output->gathered), data};
    bool is_good = pieces[0].len ? output_push(output, pieces, 2) : output_push(output, &data, 1);
    output_give_buffer(output);
    return is_good;
}

/* After anything may have left. */
static void output_tell(struct output *output)
{
    size_t low = output->codec->shared->limits->output_high_bytes / 4;
    if (output_is_over(output)) {
        if (!output->is_told_broken) {
            output->is_told_broken = true;
            output->events->on_broken(output, output->state);
        }
        return;
    }
    if (output->is_high && output_waiting(output) <= low) {
        output->is_high = false;
        output->events->on_drained(output);
    }
    if (output->codec->conn.state == CONN_CLOSED)
        return;
    if (output->tells_sent && !output_is_over(output) && output_waiting(output) == 0) {
        output->tells_sent = false;
        output->events->on_sent(output);
    }
}

void output_turn(struct output *output)
{
    list_remove(&output->node);
    output->events->on_turn(output);
    if (output->codec->conn.state == CONN_CLOSED)
        return;
    if (!output_is_over(output))
        output_push_gathered(output);
    output_tell(output);
}

void output_writable(struct output *output)
{
    enum conn_output result = conn_flush(&output->codec->conn);
    if (result == CONN_BROKEN)
        output->state = result;
    else if (!output_is_over(output))
        output->state = result;
    output_tell(output);
}

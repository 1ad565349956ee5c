/*
 * A client codec without a protocol, and a request that uses it. What it holds open are real
 * sockets; streams begin and end at the test's word. Events come from inside operations, which is
 * harder on the pool than real codecs are.
 */
#ifndef OUTRIGGER_TEST_UNIT_PROXY_UPSTREAM_FAKE_CODEC_H
#define OUTRIGGER_TEST_UNIT_PROXY_UPSTREAM_FAKE_CODEC_H

#include "proxy/upstream/pool.h"
#include "test/unit/proxy/upstream/loop.h"

struct fake {
    struct codec codec;
    struct grave grave;
    struct list node;
    unsigned max, n;
    bool is_draining, is_dead;
};

/* Of all fake codecs. */
static struct {
    unsigned h2_streams; /* that a new HTTP/2 connection has room for */
    unsigned made, freed, drained;
    bool has_no_memory;
    struct list alive;
    struct graveyard *graveyard;
} fakes;

struct request {
    struct pool_ticket ticket;
    struct fake *fake; /* while its stream is open */
    unsigned ready, failed;
    unsigned order; /* in which it was told */
    bool is_new;
    uint64_t connect_ns;
    enum reason reason;
    char detail[256];
    void (*then)(struct request *request); /* done inside the callback, once */
};

static unsigned requests_told;

static struct stream *fake_open(struct codec *codec, const struct head *head, bool is_end,
                                const struct stream_events *events, void *owner)
{
    struct fake *fake = LIST_ENTRY(codec, struct fake, codec);
    (void)head, (void)is_end, (void)events, (void)owner;
    assert_true(fake->n < fake->max && !fake->is_draining && !fake->is_dead);
    fake->n++;
    codec->n_requests++;
    codec->events->on_room(codec->owner);
    return NULL; /* nobody looks at it */
}

static unsigned fake_room(const struct codec *codec)
{
    const struct fake *fake = LIST_ENTRY(codec, const struct fake, codec);
    return fake->is_draining || fake->is_dead || fake->max < fake->n ? 0 : fake->max - fake->n;
}

static size_t fake_n_streams(const struct codec *codec)
{
    return LIST_ENTRY(codec, const struct fake, codec)->n;
}

/* The connection has ended, whoever did it. */
static void fake_end(struct fake *fake, enum reason reason, const char *detail)
{
    const struct codec_events *events = fake->codec.events;
    fake->is_dead = true;
    fake->codec.events = NULL;
    if (events)
        events->on_closed(fake->codec.owner, reason, detail);
}

static void fake_drain(struct codec *codec)
{
    struct fake *fake = LIST_ENTRY(codec, struct fake, codec);
    fakes.drained += !fake->is_draining;
    fake->is_draining = true;
    if (fake->n == 0)
        fake_end(fake, REASON_DONE, "");
}

static void fake_close(struct codec *codec, enum reason reason)
{
    struct fake *fake = LIST_ENTRY(codec, struct fake, codec);
    fake->n = 0;
    fake_end(fake, reason, "");
}

static void fake_bury(struct grave *grave)
{
    free(LIST_ENTRY(grave, struct fake, grave));
}

static void fake_free(struct codec *codec)
{
    struct fake *fake = LIST_ENTRY(codec, struct fake, codec);
    fakes.freed++;
    fake->is_dead = true;
    codec->events = NULL;
    list_remove(&fake->node);
    conn_close(&codec->conn, false);
    graveyard_park(fakes.graveyard, &fake->grave, fake_bury);
}

static const struct codec_ops fake_ops = {
    .protocol = "fake",
    .open = fake_open,
    .room = fake_room,
    .n_streams = fake_n_streams,
    .drain = fake_drain,
    .close = fake_close,
    .free = fake_free,
};

static void fake_on_event(struct conn *conn, short what)
{
    (void)conn, (void)what;
}

static struct codec *fake_new(struct codec_shared *shared, struct conn *from,
                              const struct codec_events *events, void *owner, unsigned max)
{
    if (fakes.has_no_memory)
        return NULL;
    struct fake *fake = calloc(1, sizeof(*fake));
    fake->codec = (struct codec){&fake_ops, events, owner, shared, .n_requests = 0};
    fake->max = max;
    conn_init(&fake->codec.conn, from->shared, fake_on_event);
    conn_move(from, &fake->codec.conn);
    list_append(&fakes.alive, &fake->node);
    fakes.made++;
    return &fake->codec;
}

static struct codec *fake_h1(struct codec_shared *shared, struct conn *from,
                             const struct codec_events *events, void *owner)
{
    return fake_new(shared, from, events, owner, 1);
}

static struct codec *fake_h2(struct codec_shared *shared, struct conn *from,
                             const struct codec_events *events, void *owner)
{
    return fake_new(shared, from, events, owner, fakes.h2_streams);
}

static const struct pool_clients fake_clients = {fake_h1, fake_h2};

/* ---- requests ---- */

static void request_on_ready(struct pool_ticket *ticket, struct codec *codec, bool is_new,
                             uint64_t connect_ns)
{
    struct request *request = LIST_ENTRY(ticket, struct request, ticket);
    void (*then)(struct request *) = request->then;
    assert_null(ticket->pool);
    request->ready++;
    request->order = ++requests_told;
    request->is_new = is_new;
    request->connect_ns = connect_ns;
    request->fake = LIST_ENTRY(codec, struct fake, codec);
    request->then = NULL;
    if (then)
        then(request);
    if (request->fake)
        codec_open(codec, NULL, true, NULL, request);
}

static void request_on_failed(struct pool_ticket *ticket, enum reason reason, const char *detail)
{
    struct request *request = LIST_ENTRY(ticket, struct request, ticket);
    void (*then)(struct request *) = request->then;
    assert_null(ticket->pool);
    request->failed++;
    request->order = ++requests_told;
    request->reason = reason;
    snprintf(request->detail, sizeof(request->detail), "%s", detail);
    request->then = NULL;
    if (then)
        then(request);
}

static struct request request_make(void)
{
    return (struct request){
        .ticket = {.on_ready = request_on_ready, .on_failed = request_on_failed}};
}

/* Its exchange is over. */
static void request_finish(struct request *request)
{
    struct fake *fake = request->fake;
    assert_non_null(fake);
    request->fake = NULL;
    fake->n--;
    if (fake->n == 0 && fake->is_draining)
        fake_end(fake, REASON_DONE, "");
    else
        fake->codec.events->on_room(fake->codec.owner);
}

#endif

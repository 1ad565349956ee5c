/* Our client and our server over mutual TLS: records, ends that are whole and ends that are not. */
#include "test/unit/proxy/codec/h1_rig.h"

#include <sys/ioctl.h>

#include "test/unit/certs.h"

#define API  "spiffe://mesh.test/ns/shop/sa/api"
#define WEB  "spiffe://mesh.test/ns/shop/sa/web"
#define ALPN SLICE_LITERAL("\x12outrigger-http/1.1")
#define BIG  (1024 * 1024)

enum { CLIENT, SERVER };

struct side {
    struct codec *codec;
    struct stream *stream;
    struct svid_tls *context;
    struct buf log, data;
    bool is_closed;
};

static struct rig rig;
static struct side sides[2];
static struct cert root;
static struct trust_anchors *anchors;
static struct arena arena;

/* ---- what both sides note ---- */

static struct side *side_of(struct stream *stream)
{
    return stream->owner;
}

static void on_head(struct stream *stream, struct head *head, bool is_end)
{
    buf_printf(&side_of(stream)->log, "%d%s\n", head->status, is_end ? " end" : "");
}

static void on_data(struct stream *stream, struct slice data, bool is_end)
{
    struct side *side = side_of(stream);
    assert_true(buf_append(&side->data, data.ptr, data.len));
    if (is_end)
        buf_printf(&side->log, "%zu bytes end\n", buf_len(&side->data));
}

static void on_reset(struct stream *stream, enum stream_cut cut, bool is_unprocessed)
{
    struct side *side = side_of(stream);
    buf_printf(&side->log, "reset %s%s\n", stream_cut_word(cut),
               is_unprocessed ? " unprocessed" : "");
    side->stream = NULL;
    stream_close(stream, STREAM_CUT_NONE);
}

static void on_drained(struct stream *stream)
{
    (void)stream;
}

static const struct stream_events stream_events = {
    .on_head = on_head, .on_data = on_data, .on_reset = on_reset, .on_drained = on_drained};

static void on_request(void *owner, struct stream *stream, struct head *head, bool is_end)
{
    struct side *side = owner;
    buf_printf(&side->log, "%.*s%s\n", SLICE_ARG(head->path), is_end ? " end" : "");
    stream->events = &stream_events;
    stream->owner = side;
    side->stream = stream;
}

static void on_room(void *owner)
{
    struct side *side = owner;
    buf_printf(&side->log, "room\n");
}

static void on_closed(void *owner, enum reason reason, const char *detail)
{
    struct side *side = owner;
    (void)detail;
    buf_printf(&side->log, "closed %s\n", reason_word(reason));
    side->is_closed = true;
}

static const struct codec_events events = {on_request, on_room, on_closed};

/* ---- making it ---- */

static struct svid_tls *make_context(enum svid_role role, const char *san)
{
    struct err err;
    struct cert leaf = cert_make(&(struct cert_spec){.san = san}, &root);
    struct slice der = cert_slice(&leaf);
    struct svid *svid = svid_new(&der, 1, leaf.key, anchors, &err);
    struct svid_tls *tls = svid_tls_new(role, svid, NULL, SLICE_LITERAL("mesh.test"), ALPN, &err);
    assert_non_null(tls);
    svid_drop(svid);
    cert_fini(&leaf);
    return tls;
}

static void nobody(struct conn *conn, short what)
{
    (void)conn;
    (void)what;
}

static void shake_hands(struct conn conns[2])
{
    bool is_done[2] = {false, false};
    for (int i = 0; i < 2; i++) {
        struct tls_layer *layer =
            tls_layer_new(sides[i].context, i == CLIENT ? SLICE_LITERAL(API) : slice_of(NULL, 0),
                          rig.conns.bio_methods, &rig.conns.output);
        assert_non_null(layer);
        conn_start_tls(&conns[i], layer);
    }
    for (int i = 0; !is_done[0] || !is_done[1]; i = !i) {
        if (is_done[i])
            continue;
        enum conn_handshake result = conn_handshake(&conns[i], true);
        assert_int_not_equal(result, CONN_FAILED);
        is_done[i] = result == CONN_SECURED;
    }
}

static int setup(void **state)
{
    (void)state;
    struct err err;
    struct conn conns[2];
    int fds[2];
    rig_init(&rig);
    memset(sides, 0, sizeof(sides));
    root = cert_make(&(struct cert_spec){.is_ca = true}, NULL);
    struct slice der = cert_slice(&root);
    anchors = trust_anchors_from_der(&der, 1, &err);
    sides[CLIENT].context = make_context(SVID_CLIENT, "URI:" WEB);
    sides[SERVER].context = make_context(SVID_SERVER, "URI:" API);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    for (int i = 0; i < 2; i++) {
        buf_init(&sides[i].log, RIG_MAX_BYTES);
        buf_init(&sides[i].data, RIG_MAX_BYTES);
        conn_init(&conns[i], &rig.conns, nobody);
        conn_open(&conns[i], fds[i]);
    }
    shake_hands(conns);
    sides[CLIENT].codec = h1_client_new(&rig.shared, &conns[CLIENT], &events, &sides[CLIENT]);
    sides[SERVER].codec = h1_server_new(&rig.shared, &conns[SERVER], &events, &sides[SERVER]);
    rig_turn(&rig);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        codec_free(sides[i].codec);
        if (sides[i].stream)
            stream_close(sides[i].stream, STREAM_CUT_NONE);
        svid_tls_drop(sides[i].context);
        buf_fini(&sides[i].log);
        buf_fini(&sides[i].data);
    }
    graveyard_bury(&rig.graveyard);
    rig_fini(&rig);
    trust_anchors_drop(anchors);
    cert_fini(&root);
    arena_fini(&arena);
    return 0;
}

/* ---- what they do ---- */

static struct head *make_head(uint16_t status, const char *path, int64_t length)
{
    struct head *head = arena_take(&arena, sizeof(*head));
    head_init(head, &arena);
    if (!status)
        head->method = SLICE_LITERAL("GET");
    head->authority = SLICE_LITERAL("api");
    head->path = slice_str(path);
    head->status = status;
    head->content_length = length;
    return head;
}

static void ask(const char *upgrade)
{
    struct head *head = make_head(0, "/x", CONTENT_LENGTH_NONE);
    head->upgrade = slice_str(upgrade);
    sides[CLIENT].stream =
        codec_open(sides[CLIENT].codec, head, !upgrade, &stream_events, &sides[CLIENT]);
    assert_non_null(sides[CLIENT].stream);
    rig_turn(&rig);
    assert_non_null(sides[SERVER].stream);
}

static void let_go(int side, enum stream_cut cut)
{
    stream_close(sides[side].stream, cut);
    sides[side].stream = NULL;
}

static void assert_logs(const char *client, const char *server)
{
    rig_assert_text(&sides[CLIENT].log, client);
    rig_assert_text(&sides[SERVER].log, server);
}

/* Head and body of an answer are one record, of one write. */
static void test_one_record(void **state)
{
    (void)state;
    int waiting = 0;
    ask(NULL);
    assert_true(stream_send_head(sides[SERVER].stream, make_head(200, "", 2), false));
    stream_send_data(sides[SERVER].stream, SLICE_LITERAL("ok"), true);
    let_go(SERVER, STREAM_CUT_NONE);
    codec_shared_flush(&rig.shared);
    assert_int_equal(ioctl(sides[CLIENT].codec->conn.fd, FIONREAD, &waiting), 0);
    assert_int_equal(waiting,
                     strlen("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok") + 5 + 1 + 16);
    rig_turn(&rig);
    let_go(CLIENT, STREAM_CUT_NONE);
    rig_turn(&rig);
    assert_logs("200\n2 bytes end\nroom\n", "/x end\n");
}

/* More than the socket takes, by pieces of any size: it comes as it went. */
static void test_big(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 100, 5000, 16384, 16385, 40000, 65536, 3};
    char *body = malloc(BIG);
    size_t sent = 0;
    for (size_t i = 0; i < BIG; i++)
        body[i] = (char)(i * 7919 >> 5);
    ask(NULL);
    assert_true(stream_send_head(sides[SERVER].stream, make_head(200, "", BIG), false));
    for (size_t i = 0; sent < BIG; i++) {
        struct slice piece = slice_sub(slice_of(body, BIG), sent, sizes[i % 8]);
        sent += piece.len;
        stream_send_data(sides[SERVER].stream, piece, sent == BIG);
        if (i % 3 == 0)
            rig_turn_once(&rig);
    }
    let_go(SERVER, STREAM_CUT_NONE);
    rig_turn(&rig);
    while (buf_len(&sides[CLIENT].data) < BIG && !sides[CLIENT].is_closed)
        rig_turn(&rig);
    assert_int_equal(buf_len(&sides[CLIENT].data), BIG);
    assert_memory_equal(buf_slice(&sides[CLIENT].data).ptr, body, BIG);
    assert_logs("200\n1048576 bytes end\n", "/x end\n");
    free(body);
}

static void test_cut(void **state)
{
    (void)state;
    ask(NULL);
    assert_true(
        stream_send_head(sides[SERVER].stream, make_head(200, "", CONTENT_LENGTH_NONE), false));
    stream_send_data(sides[SERVER].stream, SLICE_LITERAL("half"), false);
    let_go(SERVER, STREAM_CUT_TRUNCATED);
    rig_turn(&rig);
    assert_logs("200\nreset truncated\nclosed server_reset\n", "/x end\nclosed server_reset\n");
}

/* The pool closes an idle connection: no exchange is cut by it, however TLS ends. */
static void test_idle_close(void **state)
{
    (void)state;
    codec_drain(sides[CLIENT].codec);
    rig_turn(&rig);
    assert_logs("closed done\n", "closed done\n");
}

static void test_server_drains(void **state)
{
    (void)state;
    rig.limits.drain_silence_ms = 1;
    codec_drain(sides[SERVER].codec);
    rig_turn(&rig);
    while (!sides[SERVER].is_closed) {
        event_base_loop(rig.base, EVLOOP_ONCE);
        rig_turn(&rig);
    }
    assert_logs("closed done\n", "closed done\n");
}

/* Half-close goes through: close_notify one way, the other stays open. */
static void test_tunnel(void **state)
{
    (void)state;
    ask("websocket");
    struct head *head = make_head(101, "", CONTENT_LENGTH_NONE);
    head->upgrade = SLICE_LITERAL("websocket");
    assert_true(stream_send_head(sides[SERVER].stream, head, false));
    rig_turn(&rig);
    stream_send_data(sides[CLIENT].stream, SLICE_LITERAL("question"), true);
    rig_turn(&rig);
    assert_logs("101\n", "/x\n8 bytes end\n");
    stream_send_data(sides[SERVER].stream, SLICE_LITERAL("answer"), true);
    rig_turn(&rig);
    assert_logs("6 bytes end\n", "");
    let_go(CLIENT, STREAM_CUT_NONE);
    let_go(SERVER, STREAM_CUT_NONE);
    rig_turn(&rig);
    assert_logs("closed done\n", "closed done\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_record, setup, teardown),
        cmocka_unit_test_setup_teardown(test_big, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_idle_close, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_drains, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tunnel, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

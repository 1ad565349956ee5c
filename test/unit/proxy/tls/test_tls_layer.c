/* Two layers joined by byte queues that are delivered in pieces of every size. */
#include "proxy/tls/tls_layer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/buf.h"
#include "test/unit/certs.h"

#define WEB  "spiffe://mesh.test/ns/shop/sa/web"
#define API  "spiffe://mesh.test/ns/shop/sa/api"
#define ALPN SLICE_LITERAL("\x0doutrigger-tcp")
#define MANY (1u << 20)

struct end {
    struct tls_layer *layer;
    struct buf wire; /* what the other has sent and this one has not read */
    struct buf text; /* what was decrypted */
    enum tls_result last;
    bool is_done;
};

struct pair {
    struct tls_output output; /* one for both, as in a worker */
    BIO_METHOD *methods;
    struct cert root;
    struct trust_anchors *anchors;
    struct svid_tls *contexts[2];
    struct end ends[2];
    char *plain;
    size_t plain_size;
};

static struct svid_tls *make_context(struct pair *pair, enum svid_role role, const char *san)
{
    struct err err;
    struct cert leaf = cert_make(&(struct cert_spec){.san = san}, &pair->root);
    struct slice der = cert_slice(&leaf);
    struct svid *svid = svid_new(&der, 1, leaf.key, pair->anchors, &err);
    struct svid_tls *tls = svid_tls_new(role, svid, NULL, SLICE_LITERAL("mesh.test"), ALPN, &err);
    assert_non_null(tls);
    svid_drop(svid);
    cert_fini(&leaf);
    return tls;
}

/* Moves what a layer has put out to the other end's queue. */
static void carry(struct pair *pair, int from)
{
    struct tls_output *output = &pair->output;
    assert_true(buf_append(&pair->ends[!from].wire, output->data, output->len));
    output->len = 0;
}

static void handshake(struct pair *pair, size_t piece)
{
    for (int i = 0; !pair->ends[0].is_done || !pair->ends[1].is_done; i = !i) {
        struct end *end = &pair->ends[i];
        if (end->is_done)
            continue;
        do {
            struct slice input = slice_sub(buf_slice(&end->wire), 0, piece);
            size_t before = input.len;
            end->last = tls_layer_handshake(end->layer, &input);
            buf_consume(&end->wire, before - input.len);
            carry(pair, i);
            assert_int_not_equal(end->last, TLS_FAILED);
            end->is_done = end->last == TLS_OK;
        } while (!end->is_done && buf_len(&end->wire));
    }
}

static struct pair *pair_new(size_t piece)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    struct err err;
    pair->plain_size = MANY + 2 * TLS_RECORD_MAX_BYTES;
    pair->plain = malloc(pair->plain_size);
    pair->output.size = tls_output_size(MANY);
    pair->output.data = malloc(pair->output.size);
    pair->methods = tls_layer_methods();
    pair->root = cert_make(&(struct cert_spec){.is_ca = true}, NULL);
    struct slice der = cert_slice(&pair->root);
    pair->anchors = trust_anchors_from_der(&der, 1, &err);
    pair->contexts[0] = make_context(pair, SVID_CLIENT, "URI:" WEB);
    pair->contexts[1] = make_context(pair, SVID_SERVER, "URI:" API);
    for (int i = 0; i < 2; i++) {
        buf_init(&pair->ends[i].wire, 4 * MANY);
        buf_init(&pair->ends[i].text, 4 * MANY);
        pair->ends[i].layer =
            tls_layer_new(pair->contexts[i], i == 0 ? SLICE_LITERAL(API) : slice_of(NULL, 0),
                          pair->methods, &pair->output);
        assert_non_null(pair->ends[i].layer);
    }
    handshake(pair, piece);
    return pair;
}

static void pair_free(struct pair *pair)
{
    for (int i = 0; i < 2; i++) {
        tls_layer_free(pair->ends[i].layer);
        svid_tls_drop(pair->contexts[i]);
        buf_fini(&pair->ends[i].wire);
        buf_fini(&pair->ends[i].text);
    }
    trust_anchors_drop(pair->anchors);
    cert_fini(&pair->root);
    BIO_meth_free(pair->methods);
    free(pair->output.data);
    free(pair->plain);
    free(pair);
}

/* Delivers all that waits for an end, in pieces; the last result is kept. */
static void deliver(struct pair *pair, int to, size_t piece)
{
    struct end *end = &pair->ends[to];
    end->last = TLS_OK;
    while (end->last == TLS_OK && buf_len(&end->wire)) {
        struct slice input = slice_sub(buf_slice(&end->wire), 0, piece);
        size_t len;
        /* In the same memory, as a worker does it. */
        char *in = pair->plain + 2 * TLS_RECORD_MAX_BYTES;
        memcpy(in, input.ptr, input.len);
        end->last = tls_layer_read(end->layer, slice_of(in, input.len), pair->plain,
                                   pair->plain_size, &len);
        assert_true(buf_append(&end->text, pair->plain, len));
        buf_consume(&end->wire, input.len);
        carry(pair, to);
    }
}

static void test_both_ways_in_pieces(void **state)
{
    static const size_t pieces[] = {1, 7, 1000, 16384, 16406, 65536, MANY};
    static const size_t lengths[] = {1, 16383, 16384, 16385, 100000, MANY};
    (void)state;
    char *text = malloc(MANY);
    for (size_t i = 0; i < MANY; i++)
        text[i] = (char)(i * 131 + (i >> 9));
    for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
        struct pair *pair = pair_new(pieces[p]);
        assert_string_equal(tls_layer_peer_id(pair->ends[0].layer), API);
        assert_string_equal(tls_layer_peer_id(pair->ends[1].layer), WEB);
        assert_true(slice_eq_str(tls_layer_alpn(pair->ends[0].layer), "outrigger-tcp"));
        for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++)
            for (int from = 0; from < 2 && (pieces[p] > 7 || lengths[l] < MANY); from++) {
                struct end *to = &pair->ends[!from];
                assert_true(tls_layer_write(pair->ends[from].layer, slice_of(text, lengths[l])));
                carry(pair, from);
                deliver(pair, !from, pieces[p]);
                assert_int_equal(to->last, TLS_OK);
                assert_int_equal(buf_len(&to->text), lengths[l]);
                assert_memory_equal(buf_slice(&to->text).ptr, text, lengths[l]);
                buf_consume(&to->text, lengths[l]);
            }
        pair_free(pair);
    }
    free(text);
}

/* Data right behind the last handshake message is left for reading. */
static void test_early_data_is_kept(void **state)
{
    (void)state;
    struct pair *pair = pair_new(MANY);
    struct end *server = &pair->ends[1];
    assert_true(tls_layer_write(pair->ends[0].layer, SLICE_LITERAL("first")));
    carry(pair, 0);
    deliver(pair, 1, MANY);
    assert_true(slice_eq_str(buf_slice(&server->text), "first"));
    pair_free(pair);
}

static void test_half_close(void **state)
{
    (void)state;
    struct pair *pair = pair_new(MANY);
    assert_true(tls_layer_write(pair->ends[0].layer, SLICE_LITERAL("last")));
    tls_layer_finish(pair->ends[0].layer);
    size_t len = pair->output.len;
    tls_layer_finish(pair->ends[0].layer); /* once only */
    assert_int_equal(pair->output.len, len);
    carry(pair, 0);
    deliver(pair, 1, MANY);
    assert_int_equal(pair->ends[1].last, TLS_FINISHED);
    assert_true(slice_eq_str(buf_slice(&pair->ends[1].text), "last"));
    /* The other direction goes on. */
    assert_true(tls_layer_write(pair->ends[1].layer, SLICE_LITERAL("answer")));
    tls_layer_finish(pair->ends[1].layer);
    carry(pair, 1);
    deliver(pair, 0, 3);
    assert_int_equal(pair->ends[0].last, TLS_FINISHED);
    assert_true(slice_eq_str(buf_slice(&pair->ends[0].text), "answer"));
    pair_free(pair);
}

/* One changed bit anywhere in a record is found out; nothing of it is delivered. */
static void test_damage(void **state)
{
    (void)state;
    for (size_t at = 0; at < 27; at += 2) {
        struct pair *pair = pair_new(MANY);
        struct end *server = &pair->ends[1];
        assert_true(tls_layer_write(pair->ends[0].layer, SLICE_LITERAL("hello")));
        carry(pair, 0);
        assert_int_equal(buf_len(&server->wire), 27); /* head 5, text 5, type 1, tag 16 */
        if (at != 2 && at != 4) {                     /* another length is only a wait for more */
            server->wire.data[server->wire.start + at] ^= 0x40;
            deliver(pair, 1, MANY);
            assert_int_equal(server->last, TLS_FAILED);
            assert_int_equal(buf_len(&server->text), 0);
            char text[256];
            assert_true(strlen(tls_layer_failure(server->layer, text, sizeof(text))) > 0);
        }
        pair_free(pair);
    }
}

static void test_wrong_peer(void **state)
{
    (void)state;
    struct pair *pair = pair_new(MANY);
    struct tls_layer *client = tls_layer_new(pair->contexts[0], SLICE_LITERAL(WEB), pair->methods,
                                             &pair->output); /* expects somebody else */
    struct tls_layer *server =
        tls_layer_new(pair->contexts[1], slice_of(NULL, 0), pair->methods, &pair->output);
    struct slice none = {NULL, 0};
    char text[512];
    assert_int_equal(tls_layer_handshake(client, &none), TLS_MORE);
    carry(pair, 0);
    struct slice hello = buf_slice(&pair->ends[1].wire);
    assert_int_equal(tls_layer_handshake(server, &hello), TLS_MORE);
    carry(pair, 1);
    struct slice flight = buf_slice(&pair->ends[0].wire);
    assert_int_equal(tls_layer_handshake(client, &flight), TLS_FAILED);
    assert_true(tls_layer_peer_rejected(client));
    assert_non_null(strstr(tls_layer_failure(client, text, sizeof(text)), "wrong_identity"));
    assert_true(pair->output.len > 0); /* the alert */
    buf_consume(&pair->ends[1].wire, buf_len(&pair->ends[1].wire));
    carry(pair, 0);
    struct slice alert = buf_slice(&pair->ends[1].wire);
    assert_int_equal(tls_layer_handshake(server, &alert), TLS_FAILED);
    assert_false(tls_layer_peer_rejected(server));
    tls_layer_free(client);
    tls_layer_free(server);
    pair_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways_in_pieces), cmocka_unit_test(test_early_data_is_kept),
        cmocka_unit_test(test_half_close),          cmocka_unit_test(test_damage),
        cmocka_unit_test(test_wrong_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

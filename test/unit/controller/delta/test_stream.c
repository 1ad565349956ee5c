/*
 * Streams with a gRPC server that is played by this file: who gets one, when they end, and that
 * what changes together is sent together.
 */
#include "controller/delta/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"

/* ---- the other side ---- */

struct grpc_stream {
    const char *peer;
    int64_t not_after;
    const struct grpc_stream_handlers *handlers;
    void *context;
    bool is_ended, is_full;
    enum grpc_code code;
    size_t n_sent, n_resources, n_removed;
};

void grpc_stream_accept(struct grpc_stream *stream, const struct grpc_stream_handlers *handlers,
                        void *context)
{
    stream->handlers = handlers;
    stream->context = context;
}

bool grpc_stream_send(struct grpc_stream *stream, struct slice message)
{
    if (stream->is_full)
        return false;
    Envoy__Service__Discovery__V3__DeltaDiscoveryResponse *response =
        envoy__service__discovery__v3__delta_discovery_response__unpack(
            NULL, message.len, (const uint8_t *)message.ptr);
    assert_non_null(response);
    stream->n_sent++;
    stream->n_resources += response->n_resources;
    stream->n_removed += response->n_removed_resources;
    envoy__service__discovery__v3__delta_discovery_response__free_unpacked(response, NULL);
    return true;
}

void grpc_stream_end(struct grpc_stream *stream, enum grpc_code code, const char *message)
{
    assert_non_null(message);
    assert_false(stream->is_ended);
    stream->is_ended = true;
    stream->code = code;
}

struct slice grpc_stream_peer_id(const struct grpc_stream *stream)
{
    return slice_str(stream->peer);
}

int64_t grpc_stream_peer_not_after(const struct grpc_stream *stream)
{
    return stream->not_after;
}

const struct sockaddr_any *grpc_stream_peer_addr(const struct grpc_stream *stream)
{
    (void)stream;
    static struct sockaddr_any addr;
    addr = addr_make(&(struct ip){.family = AF_INET, .bytes = {10, 0, 0, 1}}, 1234);
    return &addr;
}

/* ---- the controller ---- */

struct fixture {
    struct event_base *base;
    struct delta_server *server;
    unsigned version;
};

/* Every name has the newest version, but for those that begin with "no". */
static struct resource *compile(void *context, enum resource_type type, const char *name)
{
    const struct fixture *fixture = context;
    struct resource *resource = calloc(1, sizeof(*resource));
    assert_non_null(resource);
    resource->type = type;
    resource->exists = strncmp(name, "no", 2) != 0;
    resource->name = "";
    resource->namespace = "shop";
    resource->consumer = "";
    resource->service_account = "web";
    if (resource->exists)
        snprintf(resource->version, sizeof(resource->version), "%u", fixture->version);
    return resource;
}

static int setup(void **state)
{
    log_set_level(LOG_ERROR);
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    struct err err;
    fixture->version = 1;
    fixture->base = event_base_new();
    fixture->server = delta_server_new(fixture->base, (struct delta_compiler){compile, fixture},
                                       "cluster.local", &err);
    assert_non_null(fixture->server);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(delta_server_streams(fixture->server)->n_open, 0);
    delta_server_free(fixture->server);
    event_base_free(fixture->base);
    free(fixture);
    return 0;
}

static void turn(struct fixture *fixture)
{
    event_base_loop(fixture->base, EVLOOP_NONBLOCK);
}

static void change(struct fixture *fixture)
{
    fixture->version++;
    delta_server_change(fixture->server, NULL);
}

static struct grpc_stream stream_of(const char *peer)
{
    return (struct grpc_stream){.peer = peer, .not_after = clock_wall_sec() + 3600};
}

static void request(struct grpc_stream *stream, const char *type_url, const char *name)
{
    char *names[] = {(char *)name};
    Envoy__Config__Core__V3__Node node = ENVOY__CONFIG__CORE__V3__NODE__INIT;
    node.id = (char *)"shop/\033[2Jweb";
    DeltaDiscoveryRequest message = ENVOY__SERVICE__DISCOVERY__V3__DELTA_DISCOVERY_REQUEST__INIT;
    message.node = &node;
    message.type_url = (char *)type_url;
    message.n_resource_names_subscribe = 1;
    message.resource_names_subscribe = names;
    uint8_t bytes[1024];
    size_t len = envoy__service__discovery__v3__delta_discovery_request__pack(&message, bytes);
    stream->handlers->on_message(stream->context, stream, slice_of(bytes, len));
}

#define ENDPOINTS "type.googleapis.com/outrigger.v1.Endpoints"
#define WEB       "spiffe://cluster.local/ns/shop/sa/web"

static void close_stream(struct grpc_stream *stream)
{
    stream->handlers->on_close(stream->context, stream);
}

static void test_who_gets_a_stream(void **state)
{
    struct fixture *fixture = *state;
    const struct {
        const char *peer;
        int64_t left_sec;
        bool is_taken;
        enum grpc_code code;
    } cases[] = {
        {WEB, 60, true, GRPC_OK},
        {"", 60, false, GRPC_UNAUTHENTICATED},
        {WEB, -1, false, GRPC_UNAUTHENTICATED},
        {"spiffe://other.domain/ns/shop/sa/web", 60, false, GRPC_PERMISSION_DENIED},
        {"spiffe://cluster.local/shop/web", 60, false, GRPC_PERMISSION_DENIED},
        {"https://cluster.local/ns/shop/sa/web", 60, false, GRPC_PERMISSION_DENIED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct grpc_stream stream = {.peer = cases[i].peer,
                                     .not_after = clock_wall_sec() + cases[i].left_sec};
        delta_server_call(fixture->server, &stream);
        assert_int_equal(stream.handlers != NULL, cases[i].is_taken);
        assert_int_equal(stream.is_ended, !cases[i].is_taken);
        assert_int_equal(stream.code, cases[i].code);
        if (stream.handlers)
            close_stream(&stream);
    }
    assert_int_equal(delta_server_streams(fixture->server)->n_unauthenticated, 5);
}

static void test_one_turn_one_response(void **state)
{
    struct fixture *fixture = *state;
    struct grpc_stream stream = stream_of(WEB);
    delta_server_call(fixture->server, &stream);
    request(&stream, ENDPOINTS, "a");
    request(&stream, ENDPOINTS, "b");
    request(&stream, ENDPOINTS, "none");
    assert_int_equal(stream.n_sent, 0);
    turn(fixture);
    assert_int_equal(stream.n_sent, 1);
    assert_int_equal(stream.n_resources, 2);
    assert_int_equal(stream.n_removed, 1);
    change(fixture);
    change(fixture);
    turn(fixture);
    assert_int_equal(stream.n_sent, 2);
    assert_int_equal(stream.n_resources, 4);
    turn(fixture);
    assert_int_equal(stream.n_sent, 2);
    close_stream(&stream);
}

static void test_all_streams_hear_of_a_change(void **state)
{
    struct fixture *fixture = *state;
    enum { N = 1000 }; /* more than one batch */
    struct grpc_stream *streams = calloc(N, sizeof(*streams));
    assert_non_null(streams);
    for (int i = 0; i < N; i++) {
        streams[i] = stream_of(WEB);
        delta_server_call(fixture->server, &streams[i]);
        request(&streams[i], ENDPOINTS, "shared");
    }
    for (int i = 0; i < N / 256 + 1; i++)
        turn(fixture);
    const struct delta_cache *cache = &delta_server_streams(fixture->server)->cache;
    assert_int_equal(cache->stats.compiled, 1);
    change(fixture);
    assert_int_equal(cache->stats.compiled, 2);
    for (int i = 0; i < N / 256 + 1; i++)
        turn(fixture);
    for (int i = 0; i < N; i++) {
        assert_int_equal(streams[i].n_resources, 2);
        close_stream(&streams[i]);
    }
    assert_int_equal(cache->stats.entries, 0);
    free(streams);
}

static void test_a_full_stream_ends(void **state)
{
    struct fixture *fixture = *state;
    struct grpc_stream stream = stream_of(WEB);
    delta_server_call(fixture->server, &stream);
    stream.is_full = true;
    request(&stream, ENDPOINTS, "a");
    turn(fixture);
    assert_true(stream.is_ended);
    assert_int_equal(stream.code, GRPC_RESOURCE_EXHAUSTED);
    request(&stream, ENDPOINTS, "b"); /* it was on its way: not looked at any more */
    change(fixture);
    turn(fixture);
    close_stream(&stream);
}

static void test_the_end(void **state)
{
    struct fixture *fixture = *state;
    struct grpc_stream first = stream_of(WEB), second = stream_of(WEB);
    delta_server_call(fixture->server, &first);
    delta_server_call(fixture->server, &second);
    request(&first, ENDPOINTS, "a");
    first.handlers->on_peer_done(first.context, &first);
    assert_int_equal(first.code, GRPC_OK);
    delta_server_drain(fixture->server);
    assert_true(second.is_ended);
    assert_int_equal(second.code, GRPC_UNAVAILABLE);
    turn(fixture);
    assert_int_equal(first.n_sent, 0);
    close_stream(&first);
    close_stream(&second);
}

/* What a peer calls itself ends up in logs and in a terminal. */
static void test_names_are_tame(void **state)
{
    struct fixture *fixture = *state;
    struct grpc_stream stream = stream_of(WEB);
    delta_server_call(fixture->server, &stream);
    request(&stream, ENDPOINTS, "a");
    const struct delta_streams *streams = delta_server_streams(fixture->server);
    const struct delta_stream *open =
        LIST_ENTRY(streams->open.next, struct delta_stream, open_node);
    assert_string_equal(open->node, "shop/?[2Jweb");
    assert_string_equal(open->address, "10.0.0.1:1234");
    close_stream(&stream);
}

static void test_foreign_types(void **state)
{
    struct fixture *fixture = *state;
    struct grpc_stream stream = stream_of(WEB);
    delta_server_call(fixture->server, &stream);
    request(&stream, "type.googleapis.com/outrigger.v2.Gateway", "g");
    assert_int_equal(stream.n_removed, 1);
    assert_false(stream.is_ended);
    stream.handlers->on_message(stream.context, &stream, SLICE_LITERAL("\xff\xff"));
    assert_int_equal(stream.code, GRPC_INVALID_ARGUMENT);
    close_stream(&stream);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_who_gets_a_stream),
        TEST(test_one_turn_one_response),
        TEST(test_all_streams_hear_of_a_change),
        TEST(test_a_full_stream_ends),
        TEST(test_the_end),
        TEST(test_names_are_tame),
        TEST(test_foreign_types),
    };
    return cmocka_run_group_tests_name("delta streams", tests, NULL, NULL);
}

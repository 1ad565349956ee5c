/* The delta protocol: the stories of stories.h, and what takes more than a story. */
#include "controller/delta/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "test/unit/controller/delta/stories.h"

#define WORDS_MAX 16

struct fixture {
    struct map objects[RESOURCE_TYPES]; /* name -> "VERSION ACCOUNT" */
    struct delta_cache cache;
    struct delta_counters counters;
    struct delta_state state;
    char events[512];
    bool is_due;
};

static const char type_letters[] = {
    [RESOURCE_WORKLOAD] = 'W', [RESOURCE_SERVICE] = 'S', [RESOURCE_ENDPOINTS] = 'E'};

static enum resource_type type_of(const char *word)
{
    for (int i = 0; i < RESOURCE_TYPES; i++)
        if (type_letters[i] == word[0] && word[1] == '\0')
            return (enum resource_type)i;
    fail_msg("no type %s", word);
    return RESOURCE_WORKLOAD;
}

static struct resource *compile(void *context, enum resource_type type, const char *name)
{
    struct fixture *fixture = context;
    const char *found = map_get(&fixture->objects[type], slice_str(name));
    char version[RESOURCE_VERSION_BYTES] = "", account[32] = "";
    if (found)
        sscanf(found, "%16s %31s", version, account);
    struct resource *resource = calloc(1, sizeof(*resource) + 600);
    assert_non_null(resource);
    char *texts = (char *)(resource + 1);
    snprintf(texts, 520, "%s", name);
    resource->type = type;
    resource->exists = found != NULL;
    resource->name = texts;
    memcpy(resource->version, version, sizeof(version));
    resource->bytes = found ? slice_of("bytes", 5) : (struct slice){0};
    resource->namespace = "shop";
    resource->consumer = "";
    snprintf(texts + 520, 80, "%s", account);
    resource->service_account = texts + 520;
    return resource;
}

static void note(struct fixture *fixture, const char *what, const char *more)
{
    size_t len = strlen(fixture->events);
    snprintf(fixture->events + len, sizeof(fixture->events) - len, "%s%s %s", len ? ", " : "", what,
             more);
}

static void on_due(void *context)
{
    ((struct fixture *)context)->is_due = true;
}

static void on_nack(void *context, const struct delta_nack *nack)
{
    char text[256];
    snprintf(text, sizeof(text), "%.*s (%s)%s", SLICE_ARG(nack->names), nack->message,
             nack->is_repeated ? " again" : "");
    note(context, "nack", text);
}

static void on_hidden(void *context, const struct delta_entry *entry)
{
    note(context, "hidden", entry->name);
}

static void on_too_large(void *context, const struct delta_entry *entry)
{
    note(context, "too_large", entry->name);
}

static const struct delta_state_events events = {on_due, on_nack, on_hidden, on_too_large};

static void setup(struct fixture *fixture)
{
    *fixture = (struct fixture){0};
    delta_cache_init(&fixture->cache, (struct delta_compiler){compile, fixture});
    delta_state_init(&fixture->state, &fixture->cache, &fixture->counters, SLICE_LITERAL("shop"),
                     SLICE_LITERAL("web"), &events, fixture);
}

static void teardown(struct fixture *fixture)
{
    delta_state_fini(&fixture->state);
    assert_int_equal(fixture->cache.stats.entries, 0);
    assert_int_equal(fixture->cache.stats.bytes, 0);
    assert_int_equal(fixture->state.n_subscriptions, 0);
    delta_cache_fini(&fixture->cache);
    for (int i = 0; i < RESOURCE_TYPES; i++)
        map_fini(&fixture->objects[i], free);
}

static size_t split(char *text, char **words)
{
    size_t n = 0;
    for (char *word; (word = strsep(&text, " "));)
        if (*word) {
            assert_true(n < WORDS_MAX);
            words[n++] = word;
        }
    return n;
}

static void on_changed(void *context, struct delta_entry *entry)
{
    (void)context;
    delta_state_changed(entry);
}

static void do_put(struct fixture *fixture, char **words, size_t n)
{
    char value[64];
    snprintf(value, sizeof(value), "%s %s", words[3], n > 4 ? words[4] : "web");
    char *copy = strdup(value);
    void *old;
    assert_true(map_set(&fixture->objects[type_of(words[1])], slice_str(words[2]), copy, &old));
    free(old);
    delta_cache_change(&fixture->cache, NULL, on_changed, NULL);
}

static void do_request(struct fixture *fixture, char **words, size_t n)
{
    char *subscribe[WORDS_MAX], *unsubscribe[WORDS_MAX];
    Envoy__Service__Discovery__V3__DeltaDiscoveryRequest__InitialResourceVersionsEntry
        initial[WORDS_MAX],
        *initial_list[WORDS_MAX];
    Google__Rpc__Status detail = GOOGLE__RPC__STATUS__INIT;
    detail.message = (char *)"bad port";
    DeltaDiscoveryRequest request = ENVOY__SERVICE__DISCOVERY__V3__DELTA_DISCOVERY_REQUEST__INIT;
    request.resource_names_subscribe = subscribe;
    request.resource_names_unsubscribe = unsubscribe;
    request.initial_resource_versions = initial_list;
    for (size_t i = 2; i < n; i++) {
        if (words[i][0] == '+') {
            subscribe[request.n_resource_names_subscribe++] = words[i] + 1;
        } else if (words[i][0] == '-') {
            unsubscribe[request.n_resource_names_unsubscribe++] = words[i] + 1;
        } else if (words[i][0] == '=') {
            size_t k = request.n_initial_resource_versions++;
            char *version = strrchr(words[i], ':');
            assert_non_null(version);
            *version = '\0';
            initial[k].key = words[i] + 1;
            initial[k].value = version + 1;
            initial_list[k] = &initial[k];
        } else {
            char *nonce = strchr(words[i], ':');
            assert_non_null(nonce);
            request.response_nonce = nonce + 1;
            request.error_detail = words[i][0] == 'n' ? &detail : NULL;
        }
    }
    struct err err;
    if (!delta_state_request(&fixture->state, type_of(words[1]), &request, &err))
        fail_msg("%s", err.text);
}

static void append(char *out, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);
static void append(char *out, size_t size, const char *format, ...)
{
    size_t len = strlen(out);
    va_list args;
    va_start(args, format);
    vsnprintf(out + len, size - len, format, args);
    va_end(args);
}

/* One response as text, through the decoder that a client would use. */
static void describe(struct slice bytes, char *out, size_t size)
{
    Envoy__Service__Discovery__V3__DeltaDiscoveryResponse *response =
        envoy__service__discovery__v3__delta_discovery_response__unpack(NULL, bytes.len,
                                                                        (const uint8_t *)bytes.ptr);
    assert_non_null(response);
    enum resource_type type;
    assert_true(resource_type_parse(slice_str(response->type_url), &type));
    append(out, size, "%s%c%s", *out ? " | " : "", type_letters[type], response->nonce);
    for (size_t i = 0; i < response->n_resources; i++) {
        assert_string_equal(response->resources[i]->resource->type_url, response->type_url);
        assert_int_equal(response->resources[i]->resource->value.len, 5);
        append(out, size, " %s@%s", response->resources[i]->name, response->resources[i]->version);
    }
    for (size_t i = 0; i < response->n_removed_resources; i++)
        append(out, size, " -%s", response->removed_resources[i]);
    envoy__service__discovery__v3__delta_discovery_response__free_unpacked(response, NULL);
}

static void hear(struct fixture *fixture, char *out, size_t size)
{
    *out = '\0';
    for (;;) {
        struct buf buf;
        buf_init(&buf, DELTA_RESPONSE_MAX);
        enum delta_next next = delta_state_next(&fixture->state, &buf);
        assert_int_not_equal(next, DELTA_SHORT);
        if (next == DELTA_RESPONSE)
            describe(buf_slice(&buf), out, size);
        buf_fini(&buf);
        if (next == DELTA_IDLE)
            break;
    }
    if (*out)
        assert_true(fixture->is_due); /* or nobody would have asked */
    fixture->is_due = false;
}

static void test_stories(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
        struct fixture fixture;
        setup(&fixture);
        for (size_t k = 0; k < STEPS_MAX && stories[i].steps[k].act; k++) {
            const struct step *step = &stories[i].steps[k];
            char text[256], told[512], *words[WORDS_MAX];
            snprintf(text, sizeof(text), "%s", step->act);
            size_t n = split(text, words);
            fixture.events[0] = '\0';
            if (strcmp(words[0], "put") == 0) {
                do_put(&fixture, words, n);
            } else if (strcmp(words[0], "del") == 0) {
                free(map_remove(&fixture.objects[type_of(words[1])], slice_str(words[2])));
                delta_cache_change(&fixture.cache, NULL, on_changed, NULL);
            } else {
                do_request(&fixture, words, n);
            }
            if (!step->told)
                continue;
            hear(&fixture, told, sizeof(told));
            if (fixture.events[0])
                append(told, sizeof(told), "; %s", fixture.events);
            if (strcmp(told, step->told) != 0)
                fail_msg("%s: %s: told '%s', not '%s'", stories[i].name, step->act, told,
                         step->told);
        }
        teardown(&fixture);
    }
}

static void act(struct fixture *fixture, const char *format, ...) PRINTF_LIKE(2, 3);
static void act(struct fixture *fixture, const char *format, ...)
{
    char text[256], *words[WORDS_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    size_t n = split(text, words);
    if (strcmp(words[0], "put") == 0)
        do_put(fixture, words, n);
    else
        do_request(fixture, words, n);
}

static const char *acked(struct fixture *fixture, const char *name)
{
    const struct delta_subscription *subscription =
        map_get(&fixture->state.subscriptions[RESOURCE_SERVICE], slice_str(name));
    assert_non_null(subscription);
    return subscription->acked;
}

/* What the pages show: the version that the peer really holds. */
static void test_acked(void **unused)
{
    (void)unused;
    struct fixture fixture;
    char told[512];
    setup(&fixture);
    act(&fixture, "put S held v1");
    act(&fixture, "put S new v1");
    act(&fixture, "req S +held +new =held:v1");
    hear(&fixture, told, sizeof(told));
    assert_string_equal(acked(&fixture, "held"), "v1");
    assert_string_equal(acked(&fixture, "new"), "");
    act(&fixture, "req S ack:1");
    assert_string_equal(acked(&fixture, "new"), "v1");
    act(&fixture, "put S new v2");
    hear(&fixture, told, sizeof(told));
    act(&fixture, "req S nack:2");
    assert_string_equal(acked(&fixture, "new"), "v1");
    teardown(&fixture);
}

/* A peer that does not answer is told the newest state when it does, not every one in between. */
static void test_slow_peer(void **unused)
{
    (void)unused;
    struct fixture fixture;
    char told[4096];
    setup(&fixture);
    act(&fixture, "req S +web");
    hear(&fixture, told, sizeof(told));
    for (int i = 1; i < 1000; i++) {
        act(&fixture, "put S web v%d", i);
        hear(&fixture, told, sizeof(told));
        assert_int_equal(*told != '\0', i < DELTA_IN_FLIGHT_MAX);
    }
    assert_int_equal(fixture.state.last_nonce, DELTA_IN_FLIGHT_MAX);
    act(&fixture, "req S ack:1");
    hear(&fixture, told, sizeof(told));
    assert_string_equal(told, "S9 web@v999");
    act(&fixture, "req S ack:2");
    hear(&fixture, told, sizeof(told));
    assert_string_equal(told, "");
    teardown(&fixture);
}

/* Many names make several responses, each of bounded size, and nothing is left out. */
static void test_split(void **unused)
{
    (void)unused;
    struct fixture fixture;
    setup(&fixture);
    char pad[201];
    memset(pad, 'p', sizeof(pad) - 1);
    pad[sizeof(pad) - 1] = '\0';
    enum { N = 10000 };
    for (int i = 0; i < N; i++)
        act(&fixture, "req E +%s%d", pad, i);
    size_t told = 0, responses = 0;
    for (;;) {
        struct buf out;
        buf_init(&out, DELTA_RESPONSE_MAX);
        enum delta_next next = delta_state_next(&fixture.state, &out);
        if (next != DELTA_RESPONSE) {
            buf_fini(&out);
            break;
        }
        assert_true(buf_len(&out) <= DELTA_RESPONSE_BYTES);
        Envoy__Service__Discovery__V3__DeltaDiscoveryResponse *response =
            envoy__service__discovery__v3__delta_discovery_response__unpack(
                NULL, buf_len(&out), (const uint8_t *)buf_slice(&out).ptr);
        assert_non_null(response);
        told += response->n_removed_resources;
        act(&fixture, "req E ack:%s", response->nonce);
        envoy__service__discovery__v3__delta_discovery_response__free_unpacked(response, NULL);
        buf_fini(&out);
        responses++;
    }
    assert_int_equal(told, N);
    assert_true(responses > 5);
    assert_int_equal(fixture.state.in_flight_bytes, 0);
    teardown(&fixture);
}

static void test_ceiling(void **unused)
{
    (void)unused;
    struct fixture fixture;
    setup(&fixture);
    for (int i = 0; i < DELTA_SUBSCRIPTIONS_MAX; i++)
        act(&fixture, "req E +%d", i);
    char *name = (char *)"one-more";
    DeltaDiscoveryRequest request = ENVOY__SERVICE__DISCOVERY__V3__DELTA_DISCOVERY_REQUEST__INIT;
    request.n_resource_names_subscribe = 1;
    request.resource_names_subscribe = &name;
    struct err err;
    assert_false(delta_state_request(&fixture.state, RESOURCE_SERVICE, &request, &err));
    assert_string_equal(err.text, "more than 20000 subscriptions");
    teardown(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stories),   cmocka_unit_test(test_acked),
        cmocka_unit_test(test_slow_peer), cmocka_unit_test(test_split),
        cmocka_unit_test(test_ceiling),
    };
    return cmocka_run_group_tests_name("delta state", tests, NULL, NULL);
}

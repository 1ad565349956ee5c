// fuzz: controller
/*
 * Bytes as the messages of one discovery stream: each goes through the decoder and the state
 * machine as if it came from a proxy; whatever is owed is written and must be readable again. A
 * message is its length in two bytes (little-endian) and itself; between two messages the resources
 * change.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "controller/delta/request.h"
#include "controller/delta/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Names of odd length exist, in a version that grows with each round; the rest do not. */
static struct resource *compile(void *context, enum resource_type type, const char *name)
{
    const unsigned *round = context;
    size_t len = strlen(name);
    struct resource *resource = calloc(1, sizeof(*resource) + len + 1);
    assert(resource);
    char *copy = (char *)(resource + 1);
    memcpy(copy, name, len + 1);
    resource->type = type;
    resource->name = copy;
    resource->exists = len % 2 == 1;
    resource->namespace = "shop";
    resource->consumer = "";
    resource->service_account = len % 3 == 0 ? "web" : "api";
    if (resource->exists) {
        snprintf(resource->version, sizeof(resource->version), "%u", *round);
        resource->bytes = slice_of(copy, len);
    }
    return resource;
}

static void on_due(void *context)
{
    (void)context;
}

static void on_nack(void *context, const struct delta_nack *nack)
{
    (void)context;
    assert(nack->message && nack->names.len <= 512);
}

static void on_entry(void *context, const struct delta_entry *entry)
{
    (void)context;
    assert(entry->resource);
}

static const struct delta_state_events events = {on_due, on_nack, on_entry, on_entry};

static void on_changed(void *context, struct delta_entry *entry)
{
    (void)context;
    delta_state_changed(entry);
}

static void hear_all(struct delta_state *state)
{
    enum delta_next next;
    do {
        struct buf out;
        buf_init(&out, DELTA_RESPONSE_MAX);
        next = delta_state_next(state, &out);
        struct slice bytes = buf_slice(&out);
        if (next == DELTA_RESPONSE) {
            Envoy__Service__Discovery__V3__DeltaDiscoveryResponse *response =
                envoy__service__discovery__v3__delta_discovery_response__unpack(
                    NULL, bytes.len, (const uint8_t *)bytes.ptr);
            assert(response && response->n_resources + response->n_removed_resources > 0);
            envoy__service__discovery__v3__delta_discovery_response__free_unpacked(response, NULL);
        }
        buf_fini(&out);
    } while (next == DELTA_RESPONSE);
}

static void take(struct delta_state *state, struct slice message)
{
    struct err err;
    enum resource_type type;
    DeltaDiscoveryRequest *request = delta_request_read(message, &err);
    if (!request)
        return;
    if (resource_type_parse(slice_str(request->type_url), &type) &&
        delta_state_request(state, type, request, &err))
        hear_all(state);
    delta_request_free(request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned round = 1;
    struct delta_cache cache;
    struct delta_counters counters = {0};
    struct delta_state state;
    delta_cache_init(&cache, (struct delta_compiler){compile, &round});
    delta_state_init(&state, &cache, &counters, SLICE_LITERAL("shop"), SLICE_LITERAL("web"),
                     &events, NULL);
    while (size >= 2) {
        size_t len = data[0] | (size_t)data[1] << 8;
        data += 2;
        size -= 2;
        if (len > size)
            len = size;
        take(&state, slice_of(data, len));
        data += len;
        size -= len;
        if (++round % 2 == 0) {
            delta_cache_change(&cache, NULL, on_changed, NULL);
            hear_all(&state);
        }
    }
    delta_state_fini(&state);
    assert(cache.stats.entries == 0 && cache.stats.bytes == 0);
    delta_cache_fini(&cache);
    return 0;
}

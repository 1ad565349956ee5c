// fuzz: proxy
/*
 * What a controller may send on a stream, good or bad, in any order. Input: records of one byte
 * that says what happens besides, two bytes of length, and a DeltaDiscoveryResponse of that length.
 */
#include <stdint.h>
#include <stdlib.h>

#include "proxy/control/request.h"
#include "proxy/control/resources.h"
#include "proxy/wire.h"

#define MAX_BYTES (1u << 20)

enum { RECONNECT = 1, FORGET = 2, PUBLISH = 4, FLUSH = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void want(struct resources *resources, uint64_t now_ns)
{
    static const char *const names[] = {"10.96.0.10:80", "10.1.0.5:8080", "[fd00::5]:8080"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!resources_want(resources, slice_str(names[i]), now_ns))
            abort();
}

static void apply(struct resources *resources, struct slice bytes)
{
    struct err err = {""};
    DeltaDiscoveryResponse *response = wire_unpack(
        &envoy__service__discovery__v3__delta_discovery_response__descriptor, bytes, &err);
    if (response && !resources_apply(resources, response, &err) && !err.text[0])
        abort();
    wire_free(response);
}

/* A published Service names only Endpoints that are there. */
static void publish(struct resources *resources, uint64_t generation)
{
    struct snapshot *snapshot = resources_snapshot(resources, generation);
    if (!snapshot)
        abort();
    MAP_EACH(entry, &snapshot->services) {
        const struct service *service = entry->value;
        for (size_t i = 0; i < service->n_backends; i++)
            if (!snapshot_endpoints(snapshot, slice_str(service->backends[i].endpoints)))
                abort();
    }
    snapshot_drop(snapshot);
}

static void flush(struct resources *resources)
{
    struct buf buf;
    buf_init(&buf, MAX_BYTES);
    for (size_t type = 0; type < RESOURCE_TYPES; type++) {
        if (!request_first(&buf, resources, type, "cluster.local"))
            abort();
        if (request_is_due(resources, type) && !request_changes(&buf, resources, type))
            abort();
        buf_consume(&buf, buf_len(&buf));
    }
    buf_fini(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t now_ns = 1;
    struct resources *resources = resources_new("shop/api-1", "cluster.local", 4);
    if (!resources)
        return 0;
    resources_stream_opened(resources, now_ns);
    want(resources, now_ns);
    while (size >= 3) {
        uint8_t what = data[0];
        size_t len = (size_t)data[1] << 8 | data[2];
        len = len < size - 3 ? len : size - 3;
        apply(resources, slice_of(data + 3, len));
        data += 3 + len;
        size -= 3 + len;
        now_ns++;
        if (what & FORGET)
            resources_forget_idle(resources, now_ns, 1);
        if (what & RECONNECT) {
            resources_stream_closed(resources);
            resources_stream_opened(resources, now_ns);
        }
        if (what & PUBLISH)
            publish(resources, now_ns);
        if (what & FLUSH)
            flush(resources);
        want(resources, now_ns);
    }
    publish(resources, now_ns);
    resources_free(resources);
    return 0;
}

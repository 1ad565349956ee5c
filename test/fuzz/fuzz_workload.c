// fuzz: proxy
/* Any bytes as a Workload resource: refused with a reason, or made into something that can be read.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "proto/resources.pb-c.h"
#include "proxy/config/workload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The name is asked for by whoever asks: here by the message itself, so that names do not hide the
 * rest. */
static struct workload *build(const uint8_t *data, size_t size, struct err *err)
{
    Outrigger__V1__Workload *message = outrigger__v1__workload__unpack(NULL, size, data);
    struct workload *workload = workload_build(
        slice_of(data, size), slice_str(message ? message->name : ""), SLICE_LITERAL("1"), err);
    if (message)
        outrigger__v1__workload__free_unpacked(message, NULL);
    return workload;
}

/* What is said of a connection holds for its requests. */
static void check_access(const struct access_policies *access, struct access_request *request)
{
    struct field fields[] = {{SLICE_LITERAL("x-a"), SLICE_LITERAL("1"), FIELD_OTHER, false}};
    struct head head = {.fields = fields,
                        .n_fields = 1,
                        .method = SLICE_LITERAL("GET"),
                        .authority = SLICE_LITERAL("a.example:80")};
    static const char *const paths[] = {"/", "/a/b/c", "/shop.Cart/Add", "*", ""};
    struct access_verdict verdict = access_check(access, request), before;
    enum access_outlook outlook = access_check_connection(access, request, &before);
    if (verdict.why == ACCESS_NOT_UNDERSTOOD && verdict.is_allowed)
        abort();
    request->head = &head;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        request->path = slice_str(paths[i]);
        verdict = access_check(access, request);
        if ((outlook == ACCESS_NEVER && verdict.is_allowed) ||
            (outlook == ACCESS_ALWAYS && !verdict.is_allowed))
            abort();
    }
    request->head = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t ports[] = {0, 80, 443, 8080, 65535};
    struct err err = {""};
    struct workload *workload = build(data, size, &err);
    if (!workload) {
        if (!err.text[0])
            abort();
        return 0;
    }
    struct access_request request = {.identity = SLICE_LITERAL("spiffe://cluster.local/ns/a/sa/b")};
    struct err ignored;
    struct cidr source;
    if (!cidr_parse(SLICE_LITERAL("10.1.2.3"), &source, &ignored))
        abort();
    request.source = source.ip;
    for (size_t i = 0; i < 2 * sizeof(ports) / sizeof(ports[0]); i++) {
        request.port = ports[i / 2];
        if (i % 2)
            request.identity = slice_str("");
        (void)workload_mtls_mode(workload, request.port);
        check_access(workload->access, &request);
    }
    (void)workload_has_address(workload, &request.source);
    json_decref(access_describe(workload->access));
    workload_drop(workload);
    return 0;
}

// fuzz: proxy
/* The first bytes of a connection: every slice that is found lies where it was said to. */
#include <stdint.h>
#include <stdlib.h>

#include "proxy/detect/client_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(int holds)
{
    if (!holds)
        abort();
}

static void need_within(struct slice part, const char *scratch)
{
    if (part.len)
        need(part.ptr >= scratch && part.ptr + part.len <= scratch + CLIENT_HELLO_MAX_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *scratch = malloc(CLIENT_HELLO_MAX_BYTES);
    struct client_hello hello, shorter;
    need(scratch != NULL);
    enum client_hello_result result = client_hello_parse(slice_of(data, size), scratch, &hello);
    need_within(hello.server_name, scratch);
    need_within(hello.alpn, scratch);
    client_hello_offers(&hello, SLICE_LITERAL("outrigger-"));
    need(result != CLIENT_HELLO_MORE || size <= CLIENT_HELLO_MAX_INPUT);
    /* More bytes never turn a verdict round. */
    if (size > 0) {
        enum client_hello_result before =
            client_hello_parse(slice_of(data, size - 1), scratch, &shorter);
        need(before == CLIENT_HELLO_MORE || before == result);
    }
    free(scratch);
    return 0;
}

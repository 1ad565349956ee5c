/* Requests of HTTP/1.x: what is accepted is whole, and does not depend on how the bytes come. */
// fuzz: common
#include "test/fuzz/h1_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* data[0]: in pieces of how many bytes; the rest is a connection's, as far as it is understood. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct h1_limits limits = FUZZ_LIMITS;
    if (size < 1 || size > 8192)
        return 0;
    struct slice bytes = slice_of(data + 1, size - 1);
    for (;;) {
        struct arena arena = {0};
        struct head head;
        struct h1_message message;
        enum h1_fault fault;
        size_t len = find_end(bytes, (size_t)data[0] + 1, &limits, &fault);
        if (len == 0)
            return 0;
        char *text = malloc(len);
        memcpy(text, bytes.ptr, len);
        head_init(&head, &arena);
        fault = h1_parse_request(text, len, &limits, &head, &message);
        if (fault == H1_FAULT_NONE)
            check_request(&head, &message);
        arena_fini(&arena);
        free(text);
        if (fault != H1_FAULT_NONE)
            return 0;
        bytes = slice_sub(bytes, len, bytes.len);
    }
}

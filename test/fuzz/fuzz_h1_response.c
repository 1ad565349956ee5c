/* Responses of HTTP/1.x: what is accepted is whole, and does not depend on how the bytes come. */
// fuzz: common
#include "test/fuzz/h1_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* data[0]: the method that is answered, and in pieces of how many bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct slice methods[] = {SLICE_LITERAL("GET"), SLICE_LITERAL("HEAD"),
                                           SLICE_LITERAL("CONNECT"), SLICE_LITERAL("")};
    const struct h1_limits limits = FUZZ_LIMITS;
    struct arena arena = {0};
    struct head head;
    struct h1_message message;
    enum h1_fault fault;
    if (size < 1 || size > 8192)
        return 0;
    struct slice bytes = slice_of(data + 1, size - 1);
    size_t len = find_end(bytes, (size_t)data[0] / 4 + 1, &limits, &fault);
    if (len == 0)
        return 0;
    char *text = malloc(len);
    memcpy(text, bytes.ptr, len);
    head_init(&head, &arena);
    fault = h1_parse_response(text, len, &limits, methods[data[0] % 4], &head, &message);
    if (fault == H1_FAULT_NONE)
        check_response(&head, &message);
    arena_fini(&arena);
    free(text);
    return 0;
}

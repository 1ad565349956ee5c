/*
 * What is written is what is read: a head that was parsed, written and parsed again is the same; a
 * head of any bytes, as another protocol could give it, is refused or read as what was given. A
 * value that becomes a line of its own, or a body that becomes a request, would be found here.
 */
// fuzz: common
#include "common/http/h1_write.h"
#include "test/fuzz/h1_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct h1_limits limits = {8192, 65536, 128};

static void need_same_fields(const struct head *given, const struct head *read)
{
    size_t at = 0;
    bool has_te = false;
    for (size_t i = 0; i < given->n_fields; i++) {
        const struct field *field = &given->fields[i];
        if (field->id == FIELD_TE && has_te)
            continue; /* asking twice is asking once */
        has_te |= field->id == FIELD_TE;
        need(at < read->n_fields && slice_eq(field->name, read->fields[at].name) &&
             slice_eq(field->value, read->fields[at].value));
        at++;
    }
    need(at == read->n_fields);
}

/* H1_LENGTH of 0 bytes is no body. */
static enum h1_framing framing_of(const struct head *head, enum h1_framing framing)
{
    return framing == H1_LENGTH && head->content_length == 0 ? H1_NO_BODY : framing;
}

/* Reads the request that was written: refused, or the same. */
static void read_request(struct buf *out, const struct head *given, const struct h1_write *how)
{
    struct arena arena = {0};
    struct head read;
    struct h1_message message;
    enum h1_fault fault;
    struct slice bytes = buf_slice(out);
    need(find_end(bytes, 7, &limits, &fault) == bytes.len || fault != H1_FAULT_NONE);
    head_init(&read, &arena);
    if (fault == H1_FAULT_NONE && h1_parse_request((char *)(uintptr_t)bytes.ptr, bytes.len, &limits,
                                                   &read, &message) == H1_FAULT_NONE) {
        need(slice_eq(given->method, read.method) && slice_eq(given->path, read.path) &&
             slice_eq(given->authority, read.authority) && slice_eq(given->upgrade, read.upgrade));
        need(message.framing == framing_of(given, how->framing));
        need(read.content_length ==
             (how->framing == H1_CHUNKED ? CONTENT_LENGTH_NONE : given->content_length));
        need(message.is_persistent != how->close);
        need_same_fields(given, &read);
    }
    arena_fini(&arena);
}

static void read_response(struct buf *out, const struct head *given, const struct h1_write *how)
{
    struct arena arena = {0};
    struct head read;
    struct h1_message message;
    enum h1_fault fault;
    struct slice bytes = buf_slice(out);
    struct slice method = how->framing == H1_NO_BODY  ? SLICE_LITERAL("HEAD")
                          : how->framing == H1_TUNNEL ? SLICE_LITERAL("CONNECT")
                                                      : SLICE_LITERAL("GET");
    need(find_end(bytes, 7, &limits, &fault) == bytes.len || fault != H1_FAULT_NONE);
    head_init(&read, &arena);
    if (fault == H1_FAULT_NONE &&
        h1_parse_response((char *)(uintptr_t)bytes.ptr, bytes.len, &limits, method, &read,
                          &message) == H1_FAULT_NONE) {
        need(given->status == read.status);
        need(message.framing == framing_of(given, how->framing));
        if (message.framing == H1_LENGTH)
            need(given->content_length == read.content_length);
        need(read.upgrade.len == 0 || slice_eq(read.upgrade, given->upgrade));
        need_same_fields(given, &read);
    }
    arena_fini(&arena);
}

static void write_and_read(const struct head *head, const struct h1_write *how)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    need(buf_append(&out, "", 0));
    if (head->status == 0 ? h1_write_request(&out, head, how) : h1_write_response(&out, head, how))
        (head->status == 0 ? read_request : read_response)(&out, head, how);
    else
        need(buf_len(&out) == 0);
    buf_fini(&out);
}

/* What was read from bytes has to be writable, too. */
static void parse_and_write(struct slice bytes, bool close)
{
    struct arena arena = {0};
    struct head head;
    struct h1_message message;
    struct buf out;
    char *text = malloc(bytes.len ? bytes.len : 1);
    if (bytes.len)
        memcpy(text, bytes.ptr, bytes.len);
    head_init(&head, &arena);
    if (h1_parse_request(text, bytes.len, &limits, &head, &message) == H1_FAULT_NONE) {
        const struct h1_write how = {.framing = message.framing, .close = close};
        buf_init(&out, 1 << 20);
        need(h1_write_request(&out, &head, &how));
        buf_fini(&out);
        write_and_read(&head, &how);
    }
    arena_fini(&arena);
    free(text);
}

/* A byte of length, then as many bytes. */
static struct slice next_piece(struct slice *rest)
{
    size_t len = rest->len ? (unsigned char)rest->ptr[0] : 0;
    struct slice piece = slice_sub(*rest, 1, len);
    *rest = slice_sub(*rest, 1 + len, rest->len);
    return piece;
}

static void make_and_write(struct slice bytes, uint8_t flags)
{
    struct arena arena = {0};
    struct head head;
    const struct h1_write how = {.framing = flags % 5, .close = flags & 0x40};
    head_init(&head, &arena);
    head.version = HTTP_2;
    struct slice numbers = slice_sub(bytes, 0, 3);
    if (numbers.len == 3) {
        head.status = flags & 0x80 ? (uint8_t)numbers.ptr[0] * 256 + (uint8_t)numbers.ptr[1] : 0;
        head.content_length = numbers.ptr[2];
    }
    bytes = slice_sub(bytes, 3, bytes.len);
    head.method = next_piece(&bytes);
    head.authority = next_piece(&bytes);
    head.path = next_piece(&bytes);
    head.upgrade = next_piece(&bytes);
    while (bytes.len > 0 && head.n_fields < 100) {
        struct slice name = next_piece(&bytes);
        need(head_add(&head, name, next_piece(&bytes)));
    }
    if (head.content_length < 0)
        head.content_length = CONTENT_LENGTH_NONE;
    write_and_read(&head, &how);
    arena_fini(&arena);
}

/* data[0], its lowest bits: 0 parses bytes, anything else makes a head of them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 8192)
        return 0;
    struct slice bytes = slice_of(data + 1, size - 1);
    if (data[0] & 0x20)
        parse_and_write(bytes, data[0] & 0x40);
    else
        make_and_write(bytes, data[0]);
    return 0;
}

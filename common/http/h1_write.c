#include "common/http/h1_write.h"

#include <assert.h>
#include <stdio.h>

#include "common/http/h1_fields.h"

/* All that a head may have beyond its own bytes: names, digits, line ends, status text. */
#define FIXED_MAX_BYTES 512

/* Appends at *at, which has room enough: the size of everything was summed before. */
static void put(char **at, struct slice bytes)
{
    if (bytes.len > 0)
        memcpy(*at, bytes.ptr, bytes.len);
    *at += bytes.len;
}

#define PUT_LITERAL(at, text) put(at, SLICE_LITERAL(text))

static void put_field(char **at, struct slice name, struct slice value)
{
    put(at, name);
    PUT_LITERAL(at, ": ");
    put(at, value);
    PUT_LITERAL(at, "\r\n");
}

/* Host, framing and what is about the connection are written from elsewhere, or not at all. */
static bool may_be_written(const struct field *field)
{
    switch (field->id) {
    case FIELD_HOST:
    case FIELD_CONTENT_LENGTH:
        return false;
    case FIELD_TE:
        return slice_eq_str(field->value, "trailers");
    default:
        return !field_name_is_hop_by_hop(field->id) && http_is_lower_token(field->name) &&
               http_is_field_value(field->value);
    }
}

/* Checks the fields and sums what they take; false: one cannot be written. */
static bool fields_size(const struct head *head, size_t *size)
{
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct field *field = &head->fields[i];
        if (!may_be_written(field))
            return false;
        *size += field->name.len + field->value.len + 4;
    }
    return true;
}

/* Returns whether `te: trailers` was among them: Connection has to name it (RFC 9110 10.1.4). */
static bool put_fields(char **at, const struct head *head)
{
    bool has_te = false;
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct field *field = &head->fields[i];
        has_te |= field->id == FIELD_TE;
        put_field(at, field->name, field->value);
    }
    return has_te;
}

static bool has_no_framing(const struct head *head)
{
    return head->status == 204 || head->status / 100 == 1;
}

/* Whatever the fields say: what followed would be taken for the next message. */
static bool has_no_body(const struct head *head)
{
    return has_no_framing(head) || head->status == 304;
}

static bool framing_ok(const struct head *head, const struct h1_write *how)
{
    switch (how->framing) {
    case H1_NO_BODY:
        return head->status != 101;
    case H1_LENGTH:
        return head->content_length >= 0 && !has_no_body(head);
    case H1_CHUNKED:
        return !has_no_body(head);
    case H1_UNTIL_CLOSE:
        return head->status > 0 && !has_no_body(head);
    case H1_TUNNEL:
        return head->status == 101 ? h1_protocol_may_pass(head->upgrade) : head->status / 100 == 2;
    }
    return false;
}

static void put_number(char **at, uint64_t number)
{
    char digits[20];
    size_t first = sizeof(digits);
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    put(at, slice_of(digits + first, sizeof(digits) - first));
}

static void put_framing(char **at, const struct head *head, const struct h1_write *how)
{
    const bool has_length = how->framing == H1_LENGTH || how->framing == H1_NO_BODY;
    if (how->framing == H1_CHUNKED) {
        PUT_LITERAL(at, "transfer-encoding: chunked\r\n");
    } else if (has_length && head->content_length >= 0 && !has_no_framing(head)) {
        PUT_LITERAL(at, "content-length: ");
        put_number(at, (uint64_t)head->content_length);
        PUT_LITERAL(at, "\r\n");
    }
}

static bool is_upgrade(const struct head *head)
{
    return head->upgrade.len > 0 && (head->status == 0 || head->status == 101);
}

/* One Connection field with all that it has to say. */
static void put_connection(char **at, const struct head *head, const struct h1_write *how,
                           bool has_te)
{
    const bool close = how->close || how->framing == H1_UNTIL_CLOSE;
    const struct {
        bool is_said;
        struct slice option;
    } options[] = {{close, SLICE_LITERAL("close")},
                   {how->keep_alive && !close, SLICE_LITERAL("keep-alive")},
                   {is_upgrade(head), SLICE_LITERAL("upgrade")},
                   {has_te, SLICE_LITERAL("te")}};
    const char *before = "connection: ";
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (!options[i].is_said)
            continue;
        put(at, slice_str(before));
        put(at, options[i].option);
        before = ", ";
    }
    if (before[0] == ',')
        PUT_LITERAL(at, "\r\n");
    if (is_upgrade(head))
        put_field(at, SLICE_LITERAL("upgrade"), head->upgrade);
}

static void put_rest(char **at, const struct head *head, const struct h1_write *how)
{
    bool has_te = put_fields(at, head);
    put_framing(at, head, how);
    put_connection(at, head, how, has_te);
    PUT_LITERAL(at, "\r\n");
}

static bool request_ok(const struct head *head, const struct h1_write *how)
{
    if (head->status != 0 || !http_is_token(head->method))
        return false;
    /* Said and not sent, the next request would be taken for it. */
    if (how->framing == H1_NO_BODY && head->content_length > 0)
        return false;
    if (head->upgrade.len > 0 &&
        (how->framing != H1_NO_BODY || !h1_protocol_may_pass(head->upgrade)))
        return false;
    if (slice_eq_str(head->method, "CONNECT"))
        return head->path.len == 0 && head->upgrade.len == 0 && how->framing == H1_NO_BODY &&
               head->content_length < 0 && http_is_authority(head->authority);
    if (head->authority.len > 0 && !http_is_authority(head->authority))
        return false;
    if (slice_eq_str(head->path, "*"))
        return slice_eq_str(head->method, "OPTIONS");
    return http_is_path(head->path);
}

bool h1_write_request(struct buf *out, const struct head *head, const struct h1_write *how)
{
    size_t size = head->method.len + head->path.len + 2 * head->authority.len + head->upgrade.len +
                  FIXED_MAX_BYTES;
    if (!request_ok(head, how) || !framing_ok(head, how) || !fields_size(head, &size))
        return false;
    char *start = buf_room(out, size), *at = start;
    if (!start)
        return false;
    put(&at, head->method);
    PUT_LITERAL(&at, " ");
    put(&at, head->path.len > 0 ? head->path : head->authority);
    PUT_LITERAL(&at, " HTTP/1.1\r\n");
    put_field(&at, SLICE_LITERAL("host"), head->authority);
    put_rest(&at, head, how);
    assert((size_t)(at - start) <= size);
    buf_added(out, (size_t)(at - start));
    return true;
}

bool h1_write_response(struct buf *out, const struct head *head, const struct h1_write *how)
{
    const struct slice text = slice_str(http_status_text(head->status));
    size_t size = head->upgrade.len + FIXED_MAX_BYTES;
    if (head->status < 100 || head->status > 599 || !framing_ok(head, how) ||
        !fields_size(head, &size))
        return false;
    char *start = buf_room(out, size), *at = start;
    if (!start)
        return false;
    PUT_LITERAL(&at, "HTTP/1.1 ");
    put_number(&at, head->status);
    PUT_LITERAL(&at, " ");
    put(&at, text);
    PUT_LITERAL(&at, "\r\n");
    put_rest(&at, head, how);
    assert((size_t)(at - start) <= size);
    buf_added(out, (size_t)(at - start));
    return true;
}

bool h1_write_chunk_start(struct buf *out, size_t len)
{
    char line[24];
    int n = snprintf(line, sizeof(line), "%zx\r\n", len);
    assert(len > 0);
    return buf_append(out, line, (size_t)n);
}

bool h1_write_chunk_end(struct buf *out)
{
    return buf_append(out, "\r\n", 2);
}

bool h1_write_last_chunk(struct buf *out, const struct head *trailers)
{
    size_t size = FIXED_MAX_BYTES;
    if (trailers && !fields_size(trailers, &size))
        return false;
    char *start = buf_room(out, size), *at = start;
    if (!start)
        return false;
    PUT_LITERAL(&at, "0\r\n");
    for (size_t i = 0; trailers && i < trailers->n_fields; i++)
        if (field_may_be_trailer(&trailers->fields[i]))
            put_field(&at, trailers->fields[i].name, trailers->fields[i].value);
    PUT_LITERAL(&at, "\r\n");
    buf_added(out, (size_t)(at - start));
    return true;
}

#include "proxy/codec/h2_head.h"

#include <stdio.h>

#include "common/http/head.h"

enum {
    SEEN_METHOD = 1,
    SEEN_SCHEME = 2,
    SEEN_AUTHORITY = 4,
    SEEN_PATH = 8,
    SEEN_PROTOCOL = 16,
    SEEN_STATUS = 32
};

#define CONNECT SLICE_LITERAL("CONNECT")

/* ---- reading -------------------------------------------------------------------------------- */

void h2_head_begin(struct h2_head_reader *reader, enum h2_head_kind kind, struct head *head,
                   const struct h1_limits *limits)
{
    *reader = (struct h2_head_reader){.head = head, .limits = limits, .kind = kind};
    head->version = HTTP_2;
}

static void set_fault(struct h2_head_reader *reader, enum h2_head_fault fault)
{
    if (reader->fault == H2_HEAD_OK)
        reader->fault = fault;
}

static bool keep(struct h2_head_reader *reader, struct slice text, struct slice *kept)
{
    *kept = slice_of("", 0);
    if (text.len == 0)
        return true;
    char *copy = arena_take(reader->head->arena, text.len);
    if (!copy) {
        set_fault(reader, H2_HEAD_NO_MEMORY);
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    *kept = slice_of(copy, text.len);
    return true;
}

/* Methods that nearly all requests have, so that they need no copy. */
static bool keep_method(struct h2_head_reader *reader, struct slice value, struct slice *kept)
{
    static const struct slice known[] = {{"GET", 3}, {"POST", 4}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (slice_eq(value, known[i])) {
            *kept = known[i];
            return true;
        }
    }
    return http_is_token(value) && keep(reader, value, kept);
}

static bool take_scheme(struct slice value, struct slice *kept)
{
    if (slice_eq_str(value, "http"))
        *kept = SLICE_LITERAL("http");
    else if (slice_eq_str(value, "https"))
        *kept = SLICE_LITERAL("https");
    else
        return false;
    return true;
}

static bool take_status(struct slice value, uint16_t *status)
{
    if (value.len != 3)
        return false;
    unsigned number = 0;
    for (size_t i = 0; i < 3; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return false;
        number = number * 10 + (unsigned)(value.ptr[i] - '0');
    }
    *status = (uint16_t)number;
    /* 101 does not exist in HTTP/2 (RFC 9113 8.6). */
    return number >= 100 && number <= 599 && number != 101;
}

static unsigned pseudo_field(struct h2_head_reader *reader, struct slice name, struct slice value,
                             bool *is_good)
{
    struct head *head = reader->head;
    bool is_request = reader->kind == H2_REQUEST;
    if (is_request && slice_eq_str(name, ":method")) {
        *is_good = keep_method(reader, value, &head->method);
        return SEEN_METHOD;
    }
    if (is_request && slice_eq_str(name, ":path")) {
        *is_good = value.len && keep(reader, value, &head->path);
        return SEEN_PATH;
    }
    if (is_request && slice_eq_str(name, ":scheme")) {
        *is_good = take_scheme(value, &head->scheme);
        return SEEN_SCHEME;
    }
    if (is_request && slice_eq_str(name, ":authority")) {
        *is_good = http_is_authority(value) && keep(reader, value, &head->authority);
        return SEEN_AUTHORITY;
    }
    if (is_request && slice_eq_str(name, ":protocol")) {
        *is_good = http_is_token(value) && keep(reader, value, &reader->protocol);
        return SEEN_PROTOCOL;
    }
    if (reader->kind == H2_RESPONSE && slice_eq_str(name, ":status")) {
        *is_good = take_status(value, &head->status);
        return SEEN_STATUS;
    }
    return 0;
}

/* They stand before all others, each once, none in trailers (RFC 9113 8.3). */
static void take_pseudo_field(struct h2_head_reader *reader, struct slice name, struct slice value)
{
    bool is_good = false;
    unsigned bit = reader->has_fields ? 0 : pseudo_field(reader, name, value, &is_good);
    if (bit == 0 || !is_good || (reader->seen & bit))
        set_fault(reader, H2_HEAD_MALFORMED);
    reader->seen |= bit;
}

/* Decimal digits and nothing else; said again it must be the same (RFC 9110 8.6). */
static bool take_content_length(struct head *head, struct slice value)
{
    int64_t length = 0;
    if (value.len == 0)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9' ||
            __builtin_mul_overflow(length, 10, &length) ||
            __builtin_add_overflow(length, value.ptr[i] - '0', &length))
            return false;
    }
    if (head->content_length != CONTENT_LENGTH_NONE && head->content_length != length)
        return false;
    head->content_length = length;
    return true;
}

/* What a field is good for besides being carried on. */
enum disposal { KEEP, DROP, REFUSE };

static enum disposal judge_head_field(struct h2_head_reader *reader, enum field_name id,
                                      struct slice value)
{
    switch (id) {
    case FIELD_CONNECTION: /* RFC 9113 8.2.2 */
    case FIELD_KEEP_ALIVE:
    case FIELD_PROXY_CONNECTION:
    case FIELD_TRANSFER_ENCODING:
    case FIELD_UPGRADE:
        return REFUSE;
    case FIELD_HTTP2_SETTINGS:
        return DROP;
    case FIELD_TE:
        return reader->kind == H2_REQUEST && slice_eq_str(value, "trailers") ? KEEP : REFUSE;
    case FIELD_CONTENT_LENGTH:
        return take_content_length(reader->head, value) ? DROP : REFUSE;
    case FIELD_HOST:
        if (reader->kind == H2_RESPONSE)
            return DROP;
        return reader->host.ptr == NULL && http_is_authority(value) &&
                       keep(reader, value, &reader->host)
                   ? DROP
                   : REFUSE;
    case FIELD_COOKIE:
        reader->n_cookies++;
        return KEEP;
    default:
        return KEEP;
    }
}

/* Trailers never become framing, routing or authorization (RFC 9110 6.5.1). */
static enum disposal judge_trailer(enum field_name id)
{
    switch (id) {
    case FIELD_CONNECTION:
    case FIELD_KEEP_ALIVE:
    case FIELD_PROXY_CONNECTION:
    case FIELD_TRANSFER_ENCODING:
    case FIELD_UPGRADE:
    case FIELD_TE:
    case FIELD_CONTENT_LENGTH:
    case FIELD_HOST:
    case FIELD_AUTHORIZATION:
    case FIELD_COOKIE:
    case FIELD_EXPECT:
        return REFUSE;
    case FIELD_HTTP2_SETTINGS:
    case FIELD_TRAILER:
    case FIELD_FORWARDED:
    case FIELD_ORIG_PROTO:
    case FIELD_X_FORWARDED_CLIENT_CERT:
    case FIELD_X_FORWARDED_FOR:
    case FIELD_X_FORWARDED_HOST:
    case FIELD_X_FORWARDED_PROTO:
        return DROP;
    default:
        return KEEP;
    }
}

static void keep_field(struct h2_head_reader *reader, enum field_name id, struct slice name,
                       struct slice value, bool is_sensitive)
{
    struct slice kept_name = field_name_text(id), kept_value;
    if (id != FIELD_COOKIE && ++reader->n_fields > reader->limits->n_fields) {
        set_fault(reader, H2_HEAD_TOO_LARGE);
        return;
    }
    if ((id == FIELD_OTHER && !keep(reader, name, &kept_name)) || !keep(reader, value, &kept_value))
        return;
    bool is_added = id == FIELD_OTHER ? head_add(reader->head, kept_name, kept_value)
                                      : head_add_id(reader->head, id, kept_value);
    if (is_added)
        reader->head->fields[reader->head->n_fields - 1].is_sensitive = is_sensitive;
    else
        set_fault(reader, H2_HEAD_NO_MEMORY);
}

void h2_head_field(struct h2_head_reader *reader, struct slice name, struct slice value,
                   bool is_sensitive)
{
    /* A list of at most 64 KiB is decoded from frames that are themselves limited: no overflow. */
    reader->bytes += name.len + value.len + H2_FIELD_OVERHEAD_BYTES;
    if (reader->bytes > reader->limits->head_bytes)
        set_fault(reader, H2_HEAD_TOO_LARGE);
    if (reader->fault != H2_HEAD_OK)
        return;
    if (name.len && name.ptr[0] == ':') {
        take_pseudo_field(reader, name, value);
        return;
    }
    reader->has_fields = true;
    if (!http_is_lower_token(name) || !http_is_field_value(value)) {
        set_fault(reader, H2_HEAD_MALFORMED);
        return;
    }
    enum field_name id = field_name_of(name);
    switch (reader->kind == H2_TRAILERS ? judge_trailer(id) : judge_head_field(reader, id, value)) {
    case KEEP:
        keep_field(reader, id, name, value, is_sensitive);
        return;
    case DROP:
        return;
    case REFUSE:
        set_fault(reader, H2_HEAD_MALFORMED);
        return;
    }
}

/* RFC 9113 8.2.3: crumbs are one field again before they are passed to anything else. */
static bool join_cookies(struct head *head)
{
    size_t len = 0;
    for (size_t i = 0; i < head->n_fields; i++)
        if (head->fields[i].id == FIELD_COOKIE)
            len += head->fields[i].value.len + 2;
    char *joined = arena_take(head->arena, len);
    if (!joined)
        return false;
    char *at = joined;
    size_t n_kept = 0;
    struct field *cookie = NULL;
    for (size_t i = 0; i < head->n_fields; i++) {
        struct field *field = &head->fields[i];
        if (field->id != FIELD_COOKIE) {
            head->fields[n_kept++] = *field;
            continue;
        }
        bool is_sensitive = field->is_sensitive || (cookie && cookie->is_sensitive);
        at = at == joined ? at : mempcpy(at, "; ", 2);
        at = field->value.len ? mempcpy(at, field->value.ptr, field->value.len) : at;
        if (!cookie) {
            cookie = &head->fields[n_kept++];
            *cookie = *field;
        }
        cookie->is_sensitive = is_sensitive;
    }
    cookie->value = slice_of(joined, (size_t)(at - joined));
    head->n_fields = n_kept;
    return true;
}

static bool is_same_authority(struct slice a, struct slice b)
{
    return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

static enum h2_head_fault end_request(struct h2_head_reader *reader, bool *is_extended_connect)
{
    struct head *head = reader->head;
    bool is_connect = slice_eq(head->method, CONNECT);
    *is_extended_connect = reader->seen & SEEN_PROTOCOL;
    if (*is_extended_connect && !is_connect)
        return H2_HEAD_MALFORMED;
    /* RFC 9113 8.5: neither scheme nor path, and a port to connect to. */
    unsigned needed = is_connect && !*is_extended_connect ? SEEN_METHOD | SEEN_AUTHORITY
                                                          : SEEN_METHOD | SEEN_SCHEME | SEEN_PATH;
    unsigned allowed = needed | SEEN_AUTHORITY | SEEN_PROTOCOL;
    if ((reader->seen & needed) != needed || (reader->seen & ~allowed))
        return H2_HEAD_MALFORMED;
    if (is_connect && !*is_extended_connect && !http_is_host_and_port(head->authority))
        return H2_HEAD_MALFORMED;
    if ((reader->seen & SEEN_PATH) && !http_is_path(head->path) &&
        !(slice_eq_str(head->path, "*") && slice_eq_str(head->method, "OPTIONS")))
        return H2_HEAD_MALFORMED;
    /* Two names for one thing are a way past somebody's policy (RFC 9113 8.3.1). */
    if (head->authority.len == 0)
        head->authority = reader->host;
    else if (reader->host.ptr && !is_same_authority(head->authority, reader->host))
        return H2_HEAD_MALFORMED;
    if (head->authority.len == 0)
        return H2_HEAD_MALFORMED;
    if (*is_extended_connect) {
        head->upgrade = reader->protocol;
        head->method = SLICE_LITERAL("GET");
    }
    return H2_HEAD_OK;
}

static enum h2_head_fault end_response(struct h2_head_reader *reader, bool is_extended_connect)
{
    struct head *head = reader->head;
    if (!(reader->seen & SEEN_STATUS))
        return H2_HEAD_MALFORMED;
    /* No body is announced where there cannot be one (RFC 9110 8.6). */
    if (head->status < 200 || head->status == 204)
        head->content_length = CONTENT_LENGTH_NONE;
    if (is_extended_connect && head->status >= 200 && head->status < 300) {
        head->status = 101;
        head->content_length = CONTENT_LENGTH_NONE;
    }
    return H2_HEAD_OK;
}

enum h2_head_fault h2_head_end(struct h2_head_reader *reader, bool *is_extended_connect)
{
    if (reader->fault == H2_HEAD_OK && reader->n_cookies > 1 && !join_cookies(reader->head))
        set_fault(reader, H2_HEAD_NO_MEMORY);
    if (reader->fault != H2_HEAD_OK)
        return reader->fault;
    switch (reader->kind) {
    case H2_REQUEST:
        return end_request(reader, is_extended_connect);
    case H2_RESPONSE:
        return end_response(reader, *is_extended_connect);
    case H2_TRAILERS:
        break;
    }
    return H2_HEAD_OK;
}

/* ---- writing -------------------------------------------------------------------------------- */

#define KEPT (NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE)

static nghttp2_nv nv_make(struct slice name, struct slice value, uint8_t flags)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.ptr,
                        .value = (uint8_t *)(uintptr_t)value.ptr,
                        .namelen = name.len,
                        .valuelen = value.len,
                        .flags = flags};
}

/*
 * Values that are new with every request would only push what is worth keeping out of the peer's
 * table, at the price of an insertion on both sides.
 */
static bool is_worth_indexing(const struct field *field)
{
    switch (field->id) {
    case FIELD_TRACEPARENT:
    case FIELD_TRACESTATE:
    case FIELD_X_REQUEST_ID:
    case FIELD_B3:
    case FIELD_X_B3_SPANID:
    case FIELD_X_B3_TRACEID:
    case FIELD_X_B3_PARENTSPANID:
        return false;
    default:
        return !field->is_sensitive;
    }
}

static size_t write_fields(const struct head *head, bool is_kept, nghttp2_nv *nva)
{
    size_t n = 0;
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct field *field = &head->fields[i];
        if (field_name_is_hop_by_hop(field->id) && field->id != FIELD_TE)
            continue;
        uint8_t flags = is_kept                    ? KEPT
                        : field->id == FIELD_OTHER ? NGHTTP2_NV_FLAG_NONE
                                                   : NGHTTP2_NV_FLAG_NO_COPY_NAME;
        if (!is_worth_indexing(field))
            flags |= NGHTTP2_NV_FLAG_NO_INDEX;
        /* A constant outlives everything, whatever the field points to. */
        struct slice name = field->id == FIELD_OTHER ? field->name : field_name_text(field->id);
        nva[n++] = nv_make(name, field->value, flags);
    }
    return n;
}

static nghttp2_nv write_content_length(int64_t length, bool is_kept, char *digits)
{
    char *at = digits + H2_HEAD_MAX_DIGITS;
    do {
        *--at = (char)('0' + length % 10);
        length /= 10;
    } while (length > 0);
    struct slice text = slice_of(at, (size_t)(digits + H2_HEAD_MAX_DIGITS - at));
    return nv_make(SLICE_LITERAL("content-length"), text,
                   is_kept ? KEPT : NGHTTP2_NV_FLAG_NO_COPY_NAME);
}

size_t h2_head_write_request(const struct head *head, bool is_tls, bool is_kept, char *digits,
                             nghttp2_nv *nva)
{
    bool is_connect = slice_eq(head->method, CONNECT);
    uint8_t flags = is_kept ? KEPT : NGHTTP2_NV_FLAG_NO_COPY_NAME;
    struct slice scheme = head->scheme;
    size_t n = 0;
    if (head->method.len == 0 || head->status != 0 || (!is_connect && head->path.len == 0))
        return 0;
    if (scheme.len == 0)
        scheme = is_tls ? SLICE_LITERAL("https") : SLICE_LITERAL("http");
    nva[n++] = nv_make(SLICE_LITERAL(":method"), head->upgrade.len ? CONNECT : head->method, flags);
    if (head->upgrade.len)
        nva[n++] = nv_make(SLICE_LITERAL(":protocol"), head->upgrade, flags);
    if (!is_connect) {
        nva[n++] = nv_make(SLICE_LITERAL(":scheme"), scheme, flags);
        nva[n++] = nv_make(SLICE_LITERAL(":path"), head->path, flags);
    }
    if (head->authority.len)
        nva[n++] = nv_make(SLICE_LITERAL(":authority"), head->authority, flags);
    if (head->content_length != CONTENT_LENGTH_NONE && !head->upgrade.len)
        nva[n++] = write_content_length(head->content_length, is_kept, digits);
    return n + write_fields(head, is_kept, nva + n);
}

size_t h2_head_write_response(const struct head *head, bool is_extended_connect, char *digits,
                              nghttp2_nv *nva)
{
    unsigned status = head->status;
    size_t n = 0;
    /* A 2xx of a server that did not see the upgrade would be taken for consent. */
    if (is_extended_connect && status >= 200 && status < 300)
        return 0;
    if (status == 101 && is_extended_connect)
        status = 200;
    if (status < 100 || status > 599 || status == 101)
        return 0;
    char text[3] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10),
                    (char)('0' + status % 10)};
    char *at = mempcpy(digits, text, sizeof(text));
    nva[n++] = nv_make(SLICE_LITERAL(":status"), slice_of(digits, sizeof(text)),
                       NGHTTP2_NV_FLAG_NO_COPY_NAME);
    if (head->content_length != CONTENT_LENGTH_NONE && head->status >= 200)
        nva[n++] = write_content_length(head->content_length, false, at);
    return n + write_fields(head, false, nva + n);
}

size_t h2_head_write_trailers(const struct head *head, nghttp2_nv *nva)
{
    return write_fields(head, false, nva);
}

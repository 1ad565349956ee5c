/*
 * What the proxy changes in a request's head. Fields of the mesh's own (`outrigger-*`) are believed
 * from another proxy only; what says where a request comes from is written from what is known, and
 * from outside of the mesh never taken over.
 */
#include "proxy/request_parts.h"

#include "common/jitter.h"

#define UUID_BYTES 36
#define OWN_PREFIX SLICE_LITERAL("outrigger-")

/* A random UUID (RFC 9562, version 4). By hand: printf would be the dearest of a request's edits.
 */
static void uuid_write(char text[UUID_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[16];
    jitter_bytes(bytes, sizeof(bytes));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *text++ = '-';
        *text++ = digits[bytes[i] >> 4];
        *text++ = digits[bytes[i] & 15];
    }
}

/* An id for the request, unless there is an id already. */
static bool edit_id(struct request *request)
{
    struct head *head = request->head;
    const struct field *field = head_find(head, FIELD_X_REQUEST_ID);
    if (field) {
        request->id = field->value;
        return true;
    }
    char *text = arena_take(&request->down->arena, UUID_BYTES);
    if (!text)
        return false;
    uuid_write(text);
    request->id = slice_of(text, UUID_BYTES);
    return head_add_id(head, FIELD_X_REQUEST_ID, request->id);
}

static bool edit_if_absent(struct head *head, enum field_name name, struct slice value)
{
    return value.len && (head_find(head, name) || head_add_id(head, name, value));
}

/* By=<who is asked>;URI=<who asks>, as Envoy and its users write it. */
static bool edit_client_cert(struct request *request)
{
    struct slice by = slice_str(request->workspace->identity);
    struct slice uri = slice_str(request->downstream->identity);
    size_t len = 3 + by.len + 5 + uri.len;
    char *text = arena_take(&request->down->arena, len);
    if (!text)
        return false;
    char *at = mempcpy(text, "By=", 3);
    at = mempcpy(at, by.ptr, by.len);
    at = mempcpy(at, ";URI=", 5);
    memcpy(at, uri.ptr, uri.len);
    return head_set(request->head, FIELD_X_FORWARDED_CLIENT_CERT, slice_of(text, len));
}

static bool edit_from_mesh(struct request *request)
{
    struct head *head = request->head;
    return edit_client_cert(request) &&
           edit_if_absent(head, FIELD_X_FORWARDED_PROTO, SLICE_LITERAL("http")) &&
           edit_if_absent(head, FIELD_X_FORWARDED_FOR, slice_str(request->downstream->source_ip));
}

static bool edit_from_outside(struct request *request)
{
    struct head *head = request->head;
    struct slice source = slice_str(request->downstream->source_ip);
    head_remove(head, FIELD_X_FORWARDED_CLIENT_CERT);
    head_remove(head, FIELD_FORWARDED);
    return head_set(head, FIELD_X_FORWARDED_PROTO, SLICE_LITERAL("http")) &&
           head_set(head, FIELD_X_FORWARDED_FOR, source);
}

/* What the application's client spoke, as the proxy on its side says. */
static enum http_version spoken_far_away(struct slice text, enum http_version otherwise)
{
    if (slice_eq_str(text, "http/1.1"))
        return HTTP_1_1;
    if (slice_eq_str(text, "http/1.0"))
        return HTTP_1_0;
    return slice_eq_str(text, "h2") ? HTTP_2 : otherwise;
}

enum request_step request_edit_inbound(struct request *request)
{
    struct head *head = request->head;
    bool is_mesh = downstream_is_mesh(request->downstream);
    const struct field *spoken = is_mesh ? head_find(head, FIELD_ORIG_PROTO) : NULL;
    if (spoken)
        request->spoken = spoken_far_away(spoken->value, request->spoken);
    head_remove_prefix(head, OWN_PREFIX);
    bool is_ok = edit_id(request) && request_trace(request) &&
                 (is_mesh ? edit_from_mesh(request) : edit_from_outside(request));
    return is_ok ? REQUEST_AUTHENTICATE : request_answer(request, REQUEST_REASON_NO_MEMORY);
}

enum request_step request_edit_outbound(struct request *request)
{
    struct head *head = request->head;
    head_remove_prefix(head, OWN_PREFIX);
    if (head->authority.len == 0) /* HTTP/1.0 without Host: all that follows has one */
        head->authority = slice_str(request->downstream->destination_text);
    return edit_id(request) && request_trace(request)
               ? REQUEST_ROUTE
               : request_answer(request, REQUEST_REASON_NO_MEMORY);
}

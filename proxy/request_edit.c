/*
 * What the proxy changes in a request's head. Fields of the mesh's own (`outrigger-*`) are believed
 * from another proxy only; what says where a request comes from is written from what is known, and
 * from outside of the mesh never taken over.
 */
#include "proxy/request_parts.h"

#include "common/jitter.h"

#define OWN_PREFIX SLICE_LITERAL("outrigger-")

/* A random UUID (RFC 9562, version 4), unless there is an id already. */
static bool edit_id(struct request *request)
{
    struct head *head = request->head;
    const struct field *field = head_find(head, FIELD_X_REQUEST_ID);
    if (field) {
        request->id = field->value;
        return true;
    }
    uint64_t high = jitter_below(UINT64_MAX), low = jitter_below(UINT64_MAX);
    const char *text = arena_printf(
        &request->down->arena, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(high >> 32),
        (unsigned)(high >> 16) & 0xffff, (unsigned)high & 0xfff,
        ((unsigned)(low >> 48) & 0x3fff) | 0x8000, (unsigned long long)low & 0xffffffffffffull);
    if (!text)
        return false;
    request->id = slice_of(text, 36);
    return head_add_id(head, FIELD_X_REQUEST_ID, request->id);
}

static struct slice ip_slice(struct arena *arena, const struct sockaddr_any *address)
{
    char text[IP_TEXT_BYTES];
    struct ip ip = addr_ip(address);
    return slice_str(arena_text(arena, slice_str(ip_format(&ip, text))));
}

static bool edit_if_absent(struct head *head, enum field_name name, struct slice value)
{
    return value.len && (head_find(head, name) || head_add_id(head, name, value));
}

/* By=<who is asked>;URI=<who asks>, as Envoy and its users write it. */
static bool edit_client_cert(struct request *request)
{
    const char *text = arena_printf(&request->down->arena, "By=%s;URI=%s",
                                    request->workspace->identity, request->downstream->identity);
    return text && head_set(request->head, FIELD_X_FORWARDED_CLIENT_CERT, slice_str(text));
}

static bool edit_from_mesh(struct request *request)
{
    struct head *head = request->head;
    struct arena *arena = &request->down->arena;
    return edit_client_cert(request) &&
           edit_if_absent(head, FIELD_X_FORWARDED_PROTO, SLICE_LITERAL("http")) &&
           edit_if_absent(head, FIELD_X_FORWARDED_FOR,
                          ip_slice(arena, &request->downstream->source));
}

static bool edit_from_outside(struct request *request)
{
    struct head *head = request->head;
    struct slice source = ip_slice(&request->down->arena, &request->downstream->source);
    head_remove(head, FIELD_X_FORWARDED_CLIENT_CERT);
    head_remove(head, FIELD_FORWARDED);
    return source.len && head_set(head, FIELD_X_FORWARDED_PROTO, SLICE_LITERAL("http")) &&
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
    return is_ok ? REQUEST_AUTHORIZE : request_answer(request, REQUEST_REASON_NO_MEMORY);
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

#include "proxy/telemetry/trace_context.h"

#include <string.h>

/* "00-" trace "-" span "-" flags */
#define TRACEPARENT_LEN   55
#define STATE_MAX_MEMBERS 32
#define STATE_MAX_BYTES   256 /* of a key, of a value */
#define TENANT_MAX_BYTES  241
#define SYSTEM_MAX_BYTES  14

enum { FLAG_SAMPLED = 1, FLAG_RANDOM = 2 };

/* ---- hexadecimal ---- */

/* Lower case only: both specifications say so. */
static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_parse(struct slice text, uint8_t *bytes, size_t n)
{
    if (text.len != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = hex_value(text.ptr[2 * i]), low = hex_value(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static char *hex_write(char *out, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    return out;
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= bytes[i];
    return any == 0;
}

bool trace_is_there(const struct trace_context *context)
{
    return !is_zero(context->trace_id, TRACE_ID_BYTES);
}

const char *trace_id_text(const struct trace_context *context, char text[TRACE_ID_TEXT_BYTES])
{
    *hex_write(text, context->trace_id, TRACE_ID_BYTES) = '\0';
    return text;
}

const char *span_id_text(const uint8_t id[SPAN_ID_BYTES], char text[SPAN_ID_TEXT_BYTES])
{
    *hex_write(text, id, SPAN_ID_BYTES) = '\0';
    return text;
}

/* An id of all zeros is none, in W3C and B3 alike. */
static bool parse_span_id(struct slice text, uint8_t id[SPAN_ID_BYTES])
{
    return hex_parse(text, id, SPAN_ID_BYTES) && !is_zero(id, SPAN_ID_BYTES);
}

static bool parse_trace_id(struct slice text, struct trace_context *context)
{
    context->is_short = text.len == TRACE_ID_BYTES;
    if (context->is_short && !hex_parse(text, context->trace_id + 8, 8))
        return false;
    if (!context->is_short && !hex_parse(text, context->trace_id, TRACE_ID_BYTES))
        return false;
    return trace_is_there(context);
}

/* ---- W3C ---- */

bool trace_parse_traceparent(struct slice value, struct trace_context *context)
{
    struct trace_context found = {.formats = TRACE_W3C};
    uint8_t version, flags;
    if (value.len < TRACEPARENT_LEN || value.ptr[2] != '-' || value.ptr[35] != '-' ||
        value.ptr[52] != '-' || !hex_parse(slice_sub(value, 0, 2), &version, 1) ||
        !hex_parse(slice_sub(value, 53, 2), &flags, 1) || version == 0xff)
        return false;
    if (value.len > TRACEPARENT_LEN && (version == 0 || value.ptr[TRACEPARENT_LEN] != '-'))
        return false;
    if (!parse_trace_id(slice_sub(value, 3, 32), &found) ||
        !parse_span_id(slice_sub(value, 36, 16), found.parent_id))
        return false;
    found.decision = flags & FLAG_SAMPLED ? TRACE_SAMPLED : TRACE_UNSAMPLED;
    found.is_random = flags & FLAG_RANDOM;
    *context = found;
    return true;
}

static bool is_key_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_key_part(struct slice text, size_t max)
{
    if (text.len == 0 || text.len > max || !is_key_start(text.ptr[0]))
        return false;
    for (size_t i = 1; i < text.len; i++)
        if (!is_key_start(text.ptr[i]) && !memchr("_-*/", text.ptr[i], 4))
            return false;
    return true;
}

/* simple-key, or tenant "@" system */
static bool is_key(struct slice key)
{
    const char *at = key.len ? memchr(key.ptr, '@', key.len) : NULL;
    if (!at)
        return is_key_part(key, STATE_MAX_BYTES);
    size_t len = (size_t)(at - key.ptr);
    return is_key_part(slice_sub(key, 0, len), TENANT_MAX_BYTES) &&
           is_key_part(slice_sub(key, len + 1, key.len), SYSTEM_MAX_BYTES);
}

static bool is_value(struct slice value)
{
    if (value.len == 0 || value.len > STATE_MAX_BYTES)
        return false;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < 0x20 || value.ptr[i] > 0x7e || value.ptr[i] == '=')
            return false;
    return true;
}

static bool is_member(struct slice member)
{
    const char *equals = memchr(member.ptr, '=', member.len);
    size_t len = equals ? (size_t)(equals - member.ptr) : 0;
    return equals && is_key(slice_sub(member, 0, len)) &&
           is_value(slice_sub(member, len + 1, member.len));
}

/* The members of one field. False when one is malformed. */
static bool state_count(struct slice value, size_t *n)
{
    while (value.len > 0) {
        const char *comma = memchr(value.ptr, ',', value.len);
        size_t len = comma ? (size_t)(comma - value.ptr) : value.len;
        struct slice member = slice_trim(slice_sub(value, 0, len), " \t");
        if (member.len > 0 && (!is_member(member) || ++*n > STATE_MAX_MEMBERS))
            return false;
        value = slice_sub(value, len + 1, value.len);
    }
    return true;
}

bool trace_state_ok(struct slice value)
{
    size_t n = 0;
    return state_count(value, &n);
}

/* ---- B3 ---- */

static bool parse_decision(struct slice text, enum trace_decision *decision)
{
    if (text.len != 1 || !memchr("01d", text.ptr[0], 3))
        return false;
    *decision = text.ptr[0] == '0'   ? TRACE_UNSAMPLED
                : text.ptr[0] == '1' ? TRACE_SAMPLED
                                     : TRACE_DEBUG;
    return true;
}

/* The part up to the next '-'; `*rest` moves behind it. Sets *is_last where there is none. */
static struct slice b3_part(struct slice *rest, bool *is_last)
{
    const char *dash = rest->len ? memchr(rest->ptr, '-', rest->len) : NULL;
    size_t len = dash ? (size_t)(dash - rest->ptr) : rest->len;
    struct slice part = slice_sub(*rest, 0, len);
    *is_last = !dash;
    *rest = slice_sub(*rest, len + 1, rest->len);
    return part;
}

bool trace_parse_b3(struct slice value, struct trace_context *context)
{
    struct trace_context found = {.formats = TRACE_B3};
    uint8_t ignored[SPAN_ID_BYTES];
    bool is_last;
    struct slice part = b3_part(&value, &is_last);
    if (is_last) { /* the decision alone */
        if (!parse_decision(part, &found.decision))
            return false;
        *context = found;
        return true;
    }
    if (!parse_trace_id(part, &found) || !parse_span_id(b3_part(&value, &is_last), found.parent_id))
        return false;
    if (!is_last && !parse_decision(b3_part(&value, &is_last), &found.decision))
        return false;
    /* The parent of the parent: nobody needs it, but it must be one. */
    if (!is_last && (!parse_span_id(b3_part(&value, &is_last), ignored) || !is_last))
        return false;
    *context = found;
    return true;
}

/* ---- heads ---- */

/* What a head has of one name: none, one, or more, which is malformed. */
struct found {
    struct slice value;
    size_t n;
};

struct trace_fields {
    struct found traceparent, b3, trace_id, span_id, parent_id, sampled, flags;
};

static struct found *fields_place(struct trace_fields *fields, enum field_name id)
{
    switch (id) {
    case FIELD_TRACEPARENT:
        return &fields->traceparent;
    case FIELD_B3:
        return &fields->b3;
    case FIELD_X_B3_TRACEID:
        return &fields->trace_id;
    case FIELD_X_B3_SPANID:
        return &fields->span_id;
    case FIELD_X_B3_PARENTSPANID:
        return &fields->parent_id;
    case FIELD_X_B3_SAMPLED:
        return &fields->sampled;
    case FIELD_X_B3_FLAGS:
        return &fields->flags;
    default:
        return NULL;
    }
}

static bool multi_decision(const struct trace_fields *fields, enum trace_decision *decision)
{
    struct slice sampled = fields->sampled.value;
    if (fields->sampled.n == 1) {
        /* Old tracers write words. */
        if (slice_eq_str(sampled, "1") || slice_eq_str(sampled, "true"))
            *decision = TRACE_SAMPLED;
        else if (slice_eq_str(sampled, "0") || slice_eq_str(sampled, "false"))
            *decision = TRACE_UNSAMPLED;
        else
            return false;
    }
    if (fields->flags.n == 1 && slice_eq_str(fields->flags.value, "1"))
        *decision = TRACE_DEBUG;
    return fields->sampled.n <= 1 && fields->flags.n <= 1;
}

static bool parse_multi(const struct trace_fields *fields, struct trace_context *context)
{
    struct trace_context found = {.formats = TRACE_B3_MULTI};
    uint8_t ignored[SPAN_ID_BYTES];
    if (!multi_decision(fields, &found.decision))
        return false;
    if (fields->trace_id.n == 0 && fields->span_id.n == 0) {
        if (fields->parent_id.n > 0 || found.decision == TRACE_UNDECIDED)
            return false;
    } else if (fields->trace_id.n != 1 || fields->span_id.n != 1 || fields->parent_id.n > 1 ||
               !parse_trace_id(fields->trace_id.value, &found) ||
               !parse_span_id(fields->span_id.value, found.parent_id) ||
               (fields->parent_id.n == 1 && !parse_span_id(fields->parent_id.value, ignored))) {
        return false;
    }
    *context = found;
    return true;
}

/* Of what one format says: all of it, or what those before it did not. */
static void context_join(struct trace_context *context, const struct trace_context *found)
{
    uint8_t formats = context->formats | found->formats;
    if (!trace_is_there(context) && (trace_is_there(found) || context->formats == 0)) {
        enum trace_decision decision = context->decision;
        *context = *found;
        if (decision != TRACE_UNDECIDED)
            context->decision = decision;
    }
    context->formats = formats;
}

void trace_read(const struct head *head, struct trace_context *context)
{
    struct trace_fields fields = {0};
    struct trace_context found;
    bool has_any = false;
    *context = (struct trace_context){0};
    for (size_t i = 0; i < head->n_fields; i++) {
        struct found *place = fields_place(&fields, head->fields[i].id);
        if (!place)
            continue;
        has_any = true;
        place->value = head->fields[i].value;
        place->n++;
    }
    if (!has_any)
        return;
    if (fields.traceparent.n == 1 && trace_parse_traceparent(fields.traceparent.value, &found))
        context_join(context, &found);
    if (fields.b3.n == 1 && trace_parse_b3(fields.b3.value, &found))
        context_join(context, &found);
    if (parse_multi(&fields, &found))
        context_join(context, &found);
}

/* ---- taking part ---- */

bool trace_parse_ratio(struct slice text, uint64_t *ratio)
{
    uint64_t whole = 0, part = 0, scale = 1;
    size_t i = 0, digits = 0;
    for (; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++, digits++) {
        whole = whole * 10 + (uint64_t)(text.ptr[i] - '0');
        if (whole > 1)
            return false;
    }
    if (i < text.len && text.ptr[i] == '.')
        for (i++; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++, digits++) {
            if (scale >= UINT64_C(1000000000000))
                continue; /* beyond what could make a difference */
            part = part * 10 + (uint64_t)(text.ptr[i] - '0');
            scale *= 10;
        }
    if (digits == 0 || i != text.len || (whole == 1 && part > 0))
        return false;
    *ratio = whole ? TRACE_ALL : (uint64_t)((unsigned __int128)part * TRACE_ALL / scale);
    return true;
}

/* The last seven bytes are the random ones (W3C level 2); B3's short ids have them as well. */
static bool ratio_takes(uint64_t ratio, const uint8_t trace_id[TRACE_ID_BYTES])
{
    uint64_t number = 0;
    for (size_t i = TRACE_ID_BYTES - 7; i < TRACE_ID_BYTES; i++)
        number = number << 8 | trace_id[i];
    return number < ratio;
}

void trace_start(struct trace_context *context, uint64_t ratio,
                 const uint8_t random[TRACE_RANDOM_BYTES])
{
    if (!trace_is_there(context)) {
        memcpy(context->trace_id, random, TRACE_ID_BYTES);
        context->trace_id[0] |= 1; /* never all zero */
        context->is_random = true;
    }
    memcpy(context->span_id, random + TRACE_ID_BYTES, SPAN_ID_BYTES);
    context->span_id[0] |= 1;
    if (context->decision == TRACE_UNDECIDED)
        context->decision = ratio_takes(ratio, context->trace_id) ? TRACE_SAMPLED : TRACE_UNSAMPLED;
    /* A span that nobody will ever see is nobody's parent. */
    if (!trace_is_sampled(context) && !is_zero(context->parent_id, SPAN_ID_BYTES))
        memcpy(context->span_id, context->parent_id, SPAN_ID_BYTES);
}

/* Is the tracestate of all fields together one that may go on? */
static bool head_state_ok(const struct head *head)
{
    size_t n = 0;
    for (size_t i = 0; i < head->n_fields; i++)
        if (head->fields[i].id == FIELD_TRACESTATE && !state_count(head->fields[i].value, &n))
            return false;
    return true;
}

/* Its value is another one for each request: no place in HPACK's tables for it. */
static bool write_field(struct head *head, enum field_name id, const char *text, size_t len)
{
    const char *copy = arena_text(head->arena, slice_of(text, len));
    return copy && head_add_field(head, (struct field){.name = field_name_text(id),
                                                       .value = slice_of(copy, len),
                                                       .id = id,
                                                       .is_sensitive = true});
}

static struct slice trace_id_part(const struct trace_context *context, const char *text)
{
    return context->is_short ? slice_of(text + 16, 16) : slice_of(text, 32);
}

static char *text_add(char *at, struct slice text)
{
    memcpy(at, text.ptr, text.len);
    return at + text.len;
}

static bool write_traceparent(const struct trace_context *context, struct head *head)
{
    char text[TRACEPARENT_LEN], *at = text;
    uint8_t flags =
        (trace_is_sampled(context) ? FLAG_SAMPLED : 0) | (context->is_random ? FLAG_RANDOM : 0);
    at = text_add(at, SLICE_LITERAL("00-"));
    at = hex_write(at, context->trace_id, TRACE_ID_BYTES);
    *at++ = '-';
    at = hex_write(at, context->span_id, SPAN_ID_BYTES);
    *at++ = '-';
    at = hex_write(at, &flags, 1);
    return write_field(head, FIELD_TRACEPARENT, text, (size_t)(at - text));
}

static bool has_parent(const struct trace_context *context)
{
    return !is_zero(context->parent_id, SPAN_ID_BYTES) &&
           memcmp(context->parent_id, context->span_id, SPAN_ID_BYTES) != 0;
}

static char decision_letter(const struct trace_context *context)
{
    return context->decision == TRACE_DEBUG ? 'd' : trace_is_sampled(context) ? '1' : '0';
}

static bool write_b3(const struct trace_context *context, struct head *head)
{
    char trace[TRACE_ID_TEXT_BYTES], text[80], *at = text;
    at = text_add(at, trace_id_part(context, trace_id_text(context, trace)));
    *at++ = '-';
    at = hex_write(at, context->span_id, SPAN_ID_BYTES);
    *at++ = '-';
    *at++ = decision_letter(context);
    if (has_parent(context)) {
        *at++ = '-';
        at = hex_write(at, context->parent_id, SPAN_ID_BYTES);
    }
    return write_field(head, FIELD_B3, text, (size_t)(at - text));
}

static bool write_b3_multi(const struct trace_context *context, struct head *head)
{
    char trace[TRACE_ID_TEXT_BYTES], span[SPAN_ID_TEXT_BYTES];
    struct slice id = trace_id_part(context, trace_id_text(context, trace));
    if (!write_field(head, FIELD_X_B3_TRACEID, id.ptr, id.len) ||
        !write_field(head, FIELD_X_B3_SPANID, span_id_text(context->span_id, span), 16))
        return false;
    if (has_parent(context) &&
        !write_field(head, FIELD_X_B3_PARENTSPANID, span_id_text(context->parent_id, span), 16))
        return false;
    if (context->decision == TRACE_DEBUG)
        return write_field(head, FIELD_X_B3_FLAGS, "1", 1);
    return write_field(head, FIELD_X_B3_SAMPLED, trace_is_sampled(context) ? "1" : "0", 1);
}

static bool is_trace_field(enum field_name id)
{
    return id == FIELD_TRACEPARENT || id == FIELD_B3 || id == FIELD_X_B3_TRACEID ||
           id == FIELD_X_B3_SPANID || id == FIELD_X_B3_PARENTSPANID || id == FIELD_X_B3_SAMPLED ||
           id == FIELD_X_B3_FLAGS;
}

static void head_forget(struct head *head, bool with_state)
{
    size_t kept = 0;
    for (size_t i = 0; i < head->n_fields; i++) {
        enum field_name id = head->fields[i].id;
        if (!is_trace_field(id) && !(with_state && id == FIELD_TRACESTATE))
            head->fields[kept++] = head->fields[i];
    }
    head->n_fields = kept;
}

bool trace_write(const struct trace_context *context, struct head *head)
{
    bool is_w3c = context->formats & TRACE_W3C;
    head_forget(head, !is_w3c || !head_state_ok(head));
    if ((is_w3c || context->formats == 0) && !write_traceparent(context, head))
        return false;
    if (context->formats & TRACE_B3 && !write_b3(context, head))
        return false;
    return !(context->formats & TRACE_B3_MULTI) || write_b3_multi(context, head);
}

#include "proxy/telemetry/span.h"

#include <assert.h>

#include "common/options.h"
#include "proto/otlp.pb-c.h"

#define ATTRIBUTES_MAX 32 /* more than are ever added */
#define FLAG_SAMPLED   1

/* One span while it is being written: on the stack, nothing is allocated. */
struct writing {
    Outrigger__Otlp__Span span;
    Outrigger__Otlp__SpanStatus status;
    Outrigger__Otlp__KeyValue keys[ATTRIBUTES_MAX], *list[ATTRIBUTES_MAX];
    Outrigger__Otlp__AnyValue values[ATTRIBUTES_MAX];
    char texts[ATTRIBUTES_MAX][SPAN_VALUE_MAX + 1];
    char name[SPAN_VALUE_MAX + 1];
};

static char *clean(char to[SPAN_VALUE_MAX + 1], struct slice text)
{
    size_t len = text.len < SPAN_VALUE_MAX ? text.len : SPAN_VALUE_MAX;
    for (size_t i = 0; i < len; i++)
        to[i] = (text.ptr[i] >= 0x20 && text.ptr[i] < 0x7f) ? text.ptr[i] : '?';
    to[len] = '\0';
    return to;
}

static Outrigger__Otlp__AnyValue *add(struct writing *w, const char *key)
{
    assert(w->span.n_attributes < ATTRIBUTES_MAX);
    size_t i = w->span.n_attributes++;
    outrigger__otlp__key_value__init(&w->keys[i]);
    outrigger__otlp__any_value__init(&w->values[i]);
    w->keys[i].key = (char *)(uintptr_t)key;
    w->keys[i].value = &w->values[i];
    w->list[i] = &w->keys[i];
    return &w->values[i];
}

/* Nothing for an empty text. */
static void add_text(struct writing *w, const char *key, struct slice text)
{
    if (text.len == 0)
        return;
    char *kept = clean(w->texts[w->span.n_attributes], text);
    Outrigger__Otlp__AnyValue *value = add(w, key);
    value->value_case = OUTRIGGER__OTLP__ANY_VALUE__VALUE_STRING_VALUE;
    value->string_value = kept;
}

static void add_number(struct writing *w, const char *key, int64_t number)
{
    Outrigger__Otlp__AnyValue *value = add(w, key);
    value->value_case = OUTRIGGER__OTLP__ANY_VALUE__VALUE_INT_VALUE;
    value->int_value = number;
}

/* "host:port", "[v6]:port" or a host alone; the conventions want host and port apart. */
static void add_address(struct writing *w, const char *address, const char *port, struct slice text)
{
    struct err err;
    uint64_t number = 0;
    size_t len = text.len;
    while (len > 0 && text.ptr[len - 1] != ':' && text.ptr[len - 1] != ']')
        len--;
    struct slice after = slice_sub(text, len, text.len);
    if (len > 0 && text.ptr[len - 1] == ':' && option_parse_uint(after, 1, 65535, &number, &err))
        text = slice_sub(text, 0, len - 1);
    if (slice_starts_with(text, SLICE_LITERAL("[")) && slice_ends_with(text, SLICE_LITERAL("]")))
        text = slice_sub(text, 1, text.len - 2);
    add_text(w, address, text);
    if (number)
        add_number(w, port, (int64_t)number);
}

/* "package.Service/Method" of a gRPC path. */
static void add_rpc(struct writing *w, const struct request_facts *facts)
{
    struct slice whole = slice_sub(facts->path, 1, facts->path.len);
    const char *slash = whole.len ? memrchr(whole.ptr, '/', whole.len) : NULL;
    size_t service_len = slash ? (size_t)(slash - whole.ptr) : whole.len;
    add_text(w, "rpc.system", SLICE_LITERAL("grpc"));
    add_text(w, "rpc.service", slice_sub(whole, 0, service_len));
    add_text(w, "rpc.method", slice_sub(whole, service_len + 1, whole.len));
    if (facts->grpc_status >= 0)
        add_number(w, "rpc.grpc.status_code", facts->grpc_status);
    w->span.name = clean(w->name, whole);
}

static void add_http(struct writing *w, const struct request_facts *facts)
{
    add_text(w, "http.request.method", facts->method);
    add_text(w, "url.path", facts->path);
    /* The application's own side is never TLS that we could look into. */
    add_text(w, "url.scheme", SLICE_LITERAL("http"));
    add_address(w, "server.address", "server.port", facts->authority);
    if (facts->status)
        add_number(w, "http.response.status_code", facts->status);
    if (facts->retries)
        add_number(w, "http.request.resend_count", facts->retries);
    add_number(w, "http.request.body.size", (int64_t)facts->bytes_sent);
    add_number(w, "http.response.body.size", (int64_t)facts->bytes_received);
    /* Not the path: a name is what spans are grouped by. */
    w->span.name = clean(w->name, facts->method.len ? facts->method : SLICE_LITERAL("HTTP"));
}

static void add_mesh(struct writing *w, const struct request_facts *facts)
{
    bool is_h2 = strcmp(facts->protocol, "h2") == 0;
    add_text(w, "network.protocol.name", SLICE_LITERAL("http"));
    add_text(w, "network.protocol.version", is_h2 ? SLICE_LITERAL("2") : SLICE_LITERAL("1.1"));
    add_address(w, "client.address", "client.port", slice_str(facts->source));
    add_address(w, "network.peer.address", "network.peer.port", slice_str(facts->endpoint));
    add_text(w, "outrigger.direction", slice_str(direction_name(facts->direction)));
    add_text(w, "outrigger.service", slice_str(facts->service));
    add_text(w, "outrigger.source_identity", slice_str(facts->source_identity));
    add_text(w, "outrigger.destination_identity", slice_str(facts->destination_identity));
    add_text(w, "outrigger.policy", slice_str(facts->policy));
    add_text(w, "outrigger.reason", slice_str(facts->reason));
    add_text(w, "outrigger.request_id", facts->request_id);
}

/* What the conventions call an error: for who asks a 4xx as well. */
static bool is_error(const struct request_facts *facts)
{
    unsigned first = facts->direction == DIRECTION_OUTBOUND ? 400 : 500;
    return *facts->reason || facts->status == 0 || facts->status >= first || facts->grpc_status > 0;
}

/* What failures are grouped by: the reason where it is ours, else the status. */
static void add_error(struct writing *w, const struct request_facts *facts)
{
    char status[16] = "_OTHER";
    int code = facts->grpc_status > 0 ? facts->grpc_status : (int)facts->status;
    if (code)
        snprintf(status, sizeof(status), "%d", code);
    add_text(w, "error.type", slice_str(*facts->reason ? facts->reason : status));
    w->status.code = OUTRIGGER__OTLP__STATUS_CODE__STATUS_CODE_ERROR;
    w->status.message = (char *)(uintptr_t)facts->reason;
    w->span.status = &w->status;
}

bool span_encode(const struct request_facts *facts, struct buf *out)
{
    struct writing w;
    const struct trace_context *trace = facts->trace;
    static const uint8_t nobody[SPAN_ID_BYTES];
    outrigger__otlp__span__init(&w.span);
    outrigger__otlp__span_status__init(&w.status);
    w.span.attributes = w.list;
    w.span.trace_id = (ProtobufCBinaryData){TRACE_ID_BYTES, (uint8_t *)(uintptr_t)trace->trace_id};
    w.span.span_id = (ProtobufCBinaryData){SPAN_ID_BYTES, (uint8_t *)(uintptr_t)trace->span_id};
    if (memcmp(trace->parent_id, nobody, SPAN_ID_BYTES) != 0)
        w.span.parent_span_id =
            (ProtobufCBinaryData){SPAN_ID_BYTES, (uint8_t *)(uintptr_t)trace->parent_id};
    w.span.kind = facts->direction == DIRECTION_OUTBOUND
                      ? OUTRIGGER__OTLP__SPAN_KIND__SPAN_KIND_CLIENT
                      : OUTRIGGER__OTLP__SPAN_KIND__SPAN_KIND_SERVER;
    w.span.start_time_unix_nano = facts->begun_wall_ns;
    w.span.end_time_unix_nano = facts->begun_wall_ns + facts->duration_us * 1000;
    w.span.flags = FLAG_SAMPLED;
    add_http(&w, facts);
    if (facts->is_grpc)
        add_rpc(&w, facts);
    add_mesh(&w, facts);
    if (is_error(facts))
        add_error(&w, facts);
    size_t len = outrigger__otlp__span__get_packed_size(&w.span);
    char *room = buf_room(out, len);
    if (!room)
        return false;
    buf_added(out, outrigger__otlp__span__pack(&w.span, (uint8_t *)room));
    return true;
}

static bool append_varint(struct buf *out, uint64_t value)
{
    uint8_t bytes[10];
    size_t n = 0;
    do {
        bytes[n++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value);
    return buf_append(out, bytes, n);
}

bool span_append_field(struct buf *out, unsigned number, struct slice bytes)
{
    return append_varint(out, (uint64_t)number << 3 | 2) && append_varint(out, bytes.len) &&
           (bytes.len == 0 || buf_append(out, bytes.ptr, bytes.len));
}

static void fill(Outrigger__Otlp__KeyValue *key, Outrigger__Otlp__AnyValue *value, const char *name,
                 const char *text)
{
    outrigger__otlp__key_value__init(key);
    outrigger__otlp__any_value__init(value);
    key->key = (char *)(uintptr_t)name;
    key->value = value;
    value->value_case = OUTRIGGER__OTLP__ANY_VALUE__VALUE_STRING_VALUE;
    value->string_value = (char *)(uintptr_t)text;
}

static bool append_resource(const struct span_resource *resource, struct buf *out)
{
    const char *const names[] = {"service.name", "k8s.namespace.name", "k8s.pod.name",
                                 "telemetry.sdk.name", "telemetry.sdk.version"};
    const char *const texts[] = {resource->service, resource->namespace, resource->pod, "outrigger",
                                 resource->version};
    Outrigger__Otlp__KeyValue keys[5], *list[5];
    Outrigger__Otlp__AnyValue values[5];
    Outrigger__Otlp__Resource message = OUTRIGGER__OTLP__RESOURCE__INIT;
    uint8_t bytes[5 * 600];
    for (size_t i = 0; i < 5; i++) {
        fill(&keys[i], &values[i], names[i], texts[i]);
        list[i] = &keys[i];
    }
    message.attributes = list;
    message.n_attributes = 5;
    if (outrigger__otlp__resource__get_packed_size(&message) > sizeof(bytes))
        return false;
    return span_append_field(out, 1,
                             slice_of(bytes, outrigger__otlp__resource__pack(&message, bytes)));
}

bool span_encode_request(const struct span_resource *resource, struct slice spans, struct buf *out)
{
    struct buf scope, whole;
    static const char scope_name[] = "\x0a\x09outrigger"; /* InstrumentationScope.name */
    buf_init(&scope, spans.len + 64);
    buf_init(&whole, spans.len + 4096);
    bool is_ok = span_append_field(&scope, 1, slice_of(scope_name, sizeof(scope_name) - 1)) &&
                 buf_append(&scope, spans.ptr, spans.len) && append_resource(resource, &whole) &&
                 span_append_field(&whole, 2, buf_slice(&scope)) &&
                 span_append_field(out, 1, buf_slice(&whole));
    buf_fini(&scope);
    buf_fini(&whole);
    return is_ok;
}

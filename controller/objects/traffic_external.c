#include "controller/objects/traffic_external.h"

#include "common/http/pattern.h"
#include "controller/objects/ports.h"
#include "controller/objects/route_parts.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define TIMEOUT_MAX_MS        60000
#define AUTHORIZER_TIMEOUT_MS 200
#define LIMITER_TIMEOUT_MS    50

/* ---- who is asked, and about what ------------------------------------------------------------ */

static void read_match(const struct field *field, const struct object *object,
                       struct external_reference *reference)
{
    if (!field_is_set(field))
        return;
    struct access_rule *rule = arena_take(field->reading->arena, sizeof(*rule));
    if (!field_has_memory(field, rule))
        return;
    *rule = (struct access_rule){0};
    access_rule_read(field, object, rule);
    if (rule->n_from + rule->n_to == 0)
        field_fail(field, "is empty: name `from` or `to`, or leave it out to mean all requests");
    reference->match = rule;
}

static void read_reference(const struct field *up, const struct object *object, uint64_t timeout_ms,
                           struct external_reference *reference)
{
    static const char *const names[] = {"name", "namespace", "port"};
    struct field service = field_get(up, "service");
    struct field timeout = field_get(up, "timeout");
    struct field match = field_get(up, "match");
    field_require(&service);
    field_allow_only(&service, names, COUNT(names));
    struct field name = field_get(&service, "name");
    struct field namespace = field_get(&service, "namespace");
    struct field port = field_get(&service, "port");
    field_require(&name);
    field_require(&port);
    reference->name = field_label_name(&name);
    reference->namespace =
        field_is_set(&namespace) ? field_label_name(&namespace) : object->namespace;
    reference->port = field_port(&port);
    reference->timeout_ms =
        field_is_set(&timeout) ? field_duration_ms(&timeout, 1, TIMEOUT_MAX_MS) : timeout_ms;
    read_match(&match, object, reference);
    reference->policy = arena_printf(up->reading->arena, "%s/%s", object->namespace, object->name);
    field_has_memory(up, reference->policy);
}

/* ---- the authorizer ------------------------------------------------------------------------- */

static const char *check_header(const struct field *item, const void *context)
{
    (void)context;
    struct err err;
    const char *text = route_lower_case(item, field_slice(item));
    struct slice name = slice_str(text);
    if (slice_ends_with(name, SLICE_LITERAL("*")))
        name.len--;
    if (!item->reading->has_failed && !pattern_check(PATTERN_HEADER_NAME, name, &err))
        field_fail(item, "%s", err.text);
    return text;
}

void traffic_authorizer_read(const struct field *field, const struct object *object,
                             struct traffic_authorizer *authorizer)
{
    static const char *const names[] = {"service", "timeout", "match", "failOpen", "headers"};
    if (!field_is_set(field))
        return;
    field_allow_only(field, names, COUNT(names));
    struct field open = field_get(field, "failOpen"), headers = field_get(field, "headers");
    read_reference(field, object, AUTHORIZER_TIMEOUT_MS, &authorizer->service);
    authorizer->is_fail_open = field_bool(&open, false);
    if (field_count(&headers) > EXTERNAL_HEADERS_MAX)
        field_fail(&headers, "has more than %d items", EXTERNAL_HEADERS_MAX);
    authorizer->headers = field_texts(&headers, check_header, NULL);
}

/* ---- the limiter ---------------------------------------------------------------------------- */

static void read_entry(const struct field *item, struct external_entry *entry)
{
    static const char *const names[] = {"key", "value", "header", "from"};
    static const char *const sources[] = {"Identity", "Source", "Method", "Path"};
    field_allow_only(item, names, COUNT(names));
    struct field key = field_get(item, "key"), value = field_get(item, "value");
    struct field header = field_get(item, "header"), from = field_get(item, "from");
    field_require(&key);
    entry->key = field_text(&key);
    entry->value = "";
    if (field_is_set(&value) + field_is_set(&header) + field_is_set(&from) != 1) {
        field_fail(item, "needs one of value, header and from, and only one");
    } else if (field_is_set(&value)) {
        entry->value = field_text(&value);
    } else if (field_is_set(&header)) {
        entry->from = EXTERNAL_HEADER;
        entry->value = field_header_name(&header);
    } else {
        int choice = field_choice(&from, sources, COUNT(sources));
        entry->from = (enum external_value)(EXTERNAL_IDENTITY + (choice < 0 ? 0 : choice));
    }
}

static void read_descriptor(const struct field *item, struct external_descriptor *descriptor)
{
    static const char *const names[] = {"entries"};
    field_allow_only(item, names, COUNT(names));
    struct field list = field_get(item, "entries");
    struct field one = {0};
    field_require(&list);
    struct external_entry *entries =
        field_take_items(&list, EXTERNAL_ENTRIES_MAX, sizeof(*entries));
    while (entries && field_next_item(&list, &one))
        read_entry(&one, &entries[descriptor->n++]);
    descriptor->entries = entries;
}

void traffic_limiter_read(const struct field *field, const struct object *object,
                          struct traffic_limiter *limiter)
{
    static const char *const names[] = {"service",    "timeout", "match",
                                        "failClosed", "domain",  "descriptors"};
    if (!field_is_set(field))
        return;
    field_allow_only(field, names, COUNT(names));
    struct field closed = field_get(field, "failClosed"), domain = field_get(field, "domain");
    struct field list = field_get(field, "descriptors");
    struct field item = {0};
    field_require(&domain);
    field_require(&list);
    read_reference(field, object, LIMITER_TIMEOUT_MS, &limiter->service);
    limiter->is_fail_closed = field_bool(&closed, false);
    limiter->domain = field_text(&domain);
    struct external_descriptor *descriptors =
        field_take_items(&list, EXTERNAL_DESCRIPTORS_MAX, sizeof(*descriptors));
    while (descriptors && field_next_item(&list, &item))
        read_descriptor(&item, &descriptors[limiter->n++]);
    limiter->descriptors = descriptors;
}

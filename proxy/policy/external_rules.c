#include "proxy/policy/external_rules.h"

#include "common/http/pattern.h"
#include "proxy/wire.h"

#define TIMEOUT_MAX_MS  60000
#define HEADERS_MAX     64
#define DESCRIPTORS_MAX 32
#define ENTRIES_MAX     16

/* ---- building ------------------------------------------------------------------------------- */

/* The rule as an AccessPolicy that allows what it matches, and nothing else is. */
static bool set_match(struct external_service *service, Outrigger__V1__AccessRule *rule,
                      struct err *err)
{
    if (!rule)
        return true;
    Outrigger__V1__AccessPolicy policy = OUTRIGGER__V1__ACCESS_POLICY__INIT, *one = &policy;
    policy.name = (char *)(uintptr_t)service->policy;
    policy.action = OUTRIGGER__V1__ACCESS_ACTION__ALLOW;
    policy.rules = &rule;
    policy.n_rules = 1;
    service->match = access_build(&one, 1, ACCESS_DEFAULT_DENY, err);
    return service->match || err_prefix(err, "match");
}

static bool set_service(struct arena *arena, struct external_service *service,
                        const Outrigger__V1__ExternalService *message, struct err *err)
{
    if (!message)
        return err_set(err, "service: missing");
    if (!wire_name(arena, message->policy, &service->policy, "policy", err) ||
        !wire_name(arena, message->service, &service->service, "service", err) ||
        !wire_name(arena, message->endpoints, &service->endpoints, "endpoints", err) ||
        !wire_name(arena, message->why, &service->why, "why", err))
        return wire_at(err, "service");
    if (!wire_is_namespaced(slice_str(service->policy)))
        return err_set(err, "service.policy: \"%s\" is not NAMESPACE/NAME", service->policy);
    if (message->timeout_ms < 1 || message->timeout_ms > TIMEOUT_MAX_MS)
        return err_set(err, "service.timeout_ms: %llu is not within 1-%d",
                       (unsigned long long)message->timeout_ms, TIMEOUT_MAX_MS);
    service->timeout_ms = message->timeout_ms;
    return set_match(service, message->match, err) || wire_at(err, "service");
}

static bool set_headers(struct external_authorization *rules,
                        const Outrigger__V1__ExternalAuthorization *message, struct err *err)
{
    if (!wire_at_most(message->n_headers, HEADERS_MAX, "headers", err))
        return false;
    rules->headers = arena_take_array(&rules->arena, message->n_headers + 1, sizeof(char *));
    if (!rules->headers)
        return err_set(err, "headers: out of memory");
    for (size_t i = 0; i < message->n_headers; i++) {
        if (!wire_name(&rules->arena, message->headers[i], &rules->headers[i], "name", err))
            return wire_at(err, "headers[%zu]", i);
        struct slice name = slice_str(rules->headers[i]);
        if (slice_ends_with(name, SLICE_LITERAL("*")))
            name.len--;
        if (!pattern_check(PATTERN_HEADER_NAME, name, err))
            return err_prefix(err, "headers[%zu]", i);
        rules->n_headers++;
    }
    return true;
}

bool external_authorization_build(struct external_authorization *rules,
                                  const Outrigger__V1__ExternalAuthorization *message,
                                  struct err *err)
{
    if (!message)
        return true;
    rules->is_understood = message->base.n_unknown_fields == 0 && message->service &&
                           message->service->base.n_unknown_fields == 0;
    rules->is_fail_open = message->fail_open;
    return (set_service(&rules->arena, &rules->service, message->service, err) &&
            set_headers(rules, message, err)) ||
           wire_at(err, "external_authorization");
}

void external_authorization_fini(struct external_authorization *rules)
{
    access_free(rules->service.match);
    arena_fini(&rules->arena);
}

static bool set_entry(struct global_limits *limits, struct limit_entry *entry,
                      const Outrigger__V1__LimitEntry *message, struct err *err)
{
    /* One that is not known would count less than it says. */
    if ((int)message->from < ENTRY_VALUE || (int)message->from > ENTRY_PATH)
        return err_set(err, "from: %d is not known to this version", (int)message->from);
    entry->from = (enum limit_value)message->from; /* the same numbers */
    if (!wire_name(&limits->arena, message->key, &entry->key, "key", err) ||
        !wire_name(&limits->arena, message->value, &entry->value, "value", err))
        return false;
    return entry->from != ENTRY_HEADER ||
           pattern_check(PATTERN_HEADER_NAME, slice_str(entry->value), err) ||
           err_prefix(err, "value");
}

static bool set_descriptor(struct global_limits *limits, struct limit_descriptor *descriptor,
                           const Outrigger__V1__LimitDescriptor *message, struct err *err)
{
    if (message->n_entries < 1 || message->n_entries > ENTRIES_MAX)
        return err_set(err, "entries: %zu of them are not within 1-%d", message->n_entries,
                       ENTRIES_MAX);
    descriptor->entries =
        arena_take_array(&limits->arena, message->n_entries, sizeof(*descriptor->entries));
    if (!descriptor->entries)
        return err_set(err, "entries: out of memory");
    for (; descriptor->n < message->n_entries; descriptor->n++)
        if (!set_entry(limits, &descriptor->entries[descriptor->n], message->entries[descriptor->n],
                       err))
            return wire_at(err, "entries[%zu]", descriptor->n);
    return true;
}

static bool set_descriptors(struct global_limits *limits,
                            const Outrigger__V1__GlobalLimits *message, struct err *err)
{
    if (message->n_descriptors < 1 || message->n_descriptors > DESCRIPTORS_MAX)
        return err_set(err, "descriptors: %zu of them are not within 1-%d", message->n_descriptors,
                       DESCRIPTORS_MAX);
    limits->descriptors =
        arena_take_array(&limits->arena, message->n_descriptors, sizeof(*limits->descriptors));
    if (!limits->descriptors)
        return err_set(err, "descriptors: out of memory");
    for (; limits->n < message->n_descriptors; limits->n++)
        if (!set_descriptor(limits, &limits->descriptors[limits->n],
                            message->descriptors[limits->n], err))
            return wire_at(err, "descriptors[%zu]", limits->n);
    return true;
}

bool global_limits_build(struct global_limits *limits, const Outrigger__V1__GlobalLimits *message,
                         struct err *err)
{
    if (!message)
        return true;
    limits->is_fail_closed = message->fail_closed;
    return (set_service(&limits->arena, &limits->service, message->service, err) &&
            wire_name(&limits->arena, message->domain, &limits->domain, "domain", err) &&
            set_descriptors(limits, message, err)) ||
           wire_at(err, "global_limits");
}

void global_limits_fini(struct global_limits *limits)
{
    access_free(limits->service.match);
    arena_fini(&limits->arena);
}

/* ---- asking --------------------------------------------------------------------------------- */

bool external_is_asked(const struct external_service *service, const struct access_request *asked)
{
    if (!service->policy || !service->match)
        return service->policy;
    struct access_verdict verdict = access_check(service->match, asked);
    return verdict.is_allowed || verdict.why == ACCESS_NOT_UNDERSTOOD;
}

bool external_reads_paths(const struct external_service *service)
{
    return service->match && access_reads_paths(service->match);
}

struct slice limit_entry_value(const struct limit_entry *entry,
                               const struct access_request *request, struct slice source)
{
    const struct field *field = NULL;
    switch (entry->from) {
    case ENTRY_VALUE:
        return slice_str(entry->value);
    case ENTRY_HEADER:
        field = head_find_name(request->head, slice_str(entry->value));
        return field ? field->value : slice_of(NULL, 0);
    case ENTRY_IDENTITY:
        return request->identity;
    case ENTRY_SOURCE:
        return source;
    case ENTRY_METHOD:
        return request->head->method;
    case ENTRY_PATH:
        return request->path;
    }
    return slice_of(NULL, 0);
}

/* ---- what an answer may write --------------------------------------------------------------- */

/* Applications that speak CGI cannot tell '_' from '-'. */
static bool begins_alike(struct slice name, struct slice with)
{
    if (name.len < with.len)
        return false;
    for (size_t i = 0; i < with.len; i++)
        if ((name.ptr[i] == '_' ? '-' : name.ptr[i]) != (with.ptr[i] == '_' ? '-' : with.ptr[i]))
            return false;
    return true;
}

static bool is_named(const char *pattern, struct slice name)
{
    struct slice text = slice_str(pattern);
    bool is_prefix = slice_ends_with(text, SLICE_LITERAL("*"));
    if (is_prefix)
        text.len--;
    return begins_alike(name, text) && (is_prefix || name.len == text.len);
}

static bool is_listed(const struct external_authorization *rules, struct slice name)
{
    for (size_t i = 0; i < rules->n_headers; i++)
        if (is_named(rules->headers[i], name))
            return true;
    return false;
}

/* What says to the application, or to the next proxy, from whom and how the request came. */
static bool is_the_meshs(struct slice name)
{
    return slice_starts_with(name, SLICE_LITERAL("outrigger-")) ||
           slice_starts_with(name, SLICE_LITERAL("x-forwarded-")) || slice_eq_str(name, "host") ||
           slice_eq_str(name, "content-length") || slice_eq_str(name, "te") ||
           field_name_is_hop_by_hop(field_name_of(name));
}

bool external_authorization_may_write(const struct external_authorization *rules, struct slice name)
{
    struct err err;
    return pattern_check(PATTERN_HEADER_NAME, name, &err) && !is_the_meshs(name) &&
           is_listed(rules, name);
}

void external_authorization_strip(const struct external_authorization *rules, struct head *head)
{
    size_t kept = 0;
    for (size_t i = 0; i < head->n_fields; i++)
        if (!is_listed(rules, head->fields[i].name) || is_the_meshs(head->fields[i].name))
            head->fields[kept++] = head->fields[i];
    head->n_fields = kept;
}

#include "controller/objects/access_target.h"

#include "common/http/pattern.h"

#define HEADERS_MAX 64

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *check_pattern(const struct field *item, const void *context)
{
    struct err err;
    const char *text = field_text(item);
    if (!item->reading->has_failed &&
        !pattern_check(*(const enum pattern *)context, slice_str(text), &err))
        field_fail(item, "%s", err.text);
    return text;
}

static struct texts read_patterns(const struct field *up, const char *name, enum pattern pattern)
{
    struct field list = field_get(up, name);
    return field_texts(&list, check_pattern, &pattern);
}

static void read_header(const struct field *item, struct header_condition *header)
{
    static const char *const names[] = {"name", "values"};
    static const enum pattern name_pattern = PATTERN_HEADER_NAME;
    field_allow_only(item, names, COUNT(names));
    struct field name = field_get(item, "name");
    field_require(&name);
    header->name = check_pattern(&name, &name_pattern);
    header->values = read_patterns(item, "values", PATTERN_HEADER_VALUE);
}

static struct header_conditions read_headers(const struct field *up, const char *name)
{
    struct header_conditions none = {0};
    struct field list = field_get(up, name);
    size_t n = field_count_some(&list);
    if (n > HEADERS_MAX)
        field_fail(&list, "has more than %d items", HEADERS_MAX);
    if (n == 0 || up->reading->has_failed)
        return none;
    struct header_condition *headers = arena_take_array(up->reading->arena, n, sizeof(*headers));
    if (!field_has_memory(&list, headers))
        return none;
    struct field item = {0};
    while (field_next_item(&list, &item))
        read_header(&item, &headers[item.index]);
    return (struct header_conditions){headers, n};
}

void access_target_read(const struct field *to, struct access_target *target)
{
    static const char *const names[] = {
        "ports", "notPorts", "methods",     "notMethods",     "paths",   "notPaths",
        "hosts", "notHosts", "grpcMethods", "notGrpcMethods", "headers", "notHeaders",
    };
    field_allow_only(to, names, COUNT(names));
    if (to->node->n_children == 0)
        field_fail(to, "is empty: name ports, paths or the like, or leave out `to` to mean "
                       "everything");
    struct field ports = field_get(to, "ports");
    target->ports = field_port_list(&ports);
    struct field not_ports = field_get(to, "notPorts");
    target->not_ports = field_port_list(&not_ports);
    target->methods = read_patterns(to, "methods", PATTERN_METHOD);
    target->not_methods = read_patterns(to, "notMethods", PATTERN_METHOD);
    target->paths = read_patterns(to, "paths", PATTERN_PATH);
    target->not_paths = read_patterns(to, "notPaths", PATTERN_PATH);
    target->hosts = read_patterns(to, "hosts", PATTERN_HOST);
    target->not_hosts = read_patterns(to, "notHosts", PATTERN_HOST);
    target->grpc_methods = read_patterns(to, "grpcMethods", PATTERN_GRPC_METHOD);
    target->not_grpc_methods = read_patterns(to, "notGrpcMethods", PATTERN_GRPC_METHOD);
    target->headers = read_headers(to, "headers");
    target->not_headers = read_headers(to, "notHeaders");
}

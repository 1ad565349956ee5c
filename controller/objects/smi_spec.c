#include "controller/objects/smi_spec.h"

#include "common/http/pattern.h"
#include "controller/objects/route_parts.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct field smi_body(const struct field *root)
{
    struct field spec = field_get(root, "spec");
    return field_is_set(&spec) ? spec : *root;
}

/*
 * "A regex is used to match against the URI and is anchored (^) to the beginning of the URI", says
 * the specification: what follows the expression is let be, unless `$` ends it.
 */
static const char *read_path(const struct field *field)
{
    struct slice text = field_slice(field);
    if (text.len == 0)
        return "";
    route_check_regex(field, field_text(field)); /* as it was written, for the message's sake */
    bool is_ended =
        slice_ends_with(text, SLICE_LITERAL("$")) && !slice_ends_with(text, SLICE_LITERAL("\\$"));
    if (slice_starts_with(text, SLICE_LITERAL("^")))
        text = slice_sub(text, 1, text.len);
    if (is_ended)
        text.len--;
    const char *whole =
        arena_printf(field->reading->arena, is_ended ? "(?:%.*s)" : "(?:%.*s).*", SLICE_ARG(text));
    if (!field_has_memory(field, whole))
        return "";
    route_check_regex(field, whole);
    return whole;
}

static const char *check_method(const struct field *item, const void *context)
{
    (void)context;
    struct err err;
    const char *text = field_text(item);
    if (!item->reading->has_failed && strcmp(text, "*") != 0 &&
        !pattern_check(PATTERN_METHOD, slice_str(text), &err))
        field_fail(item, "%s", err.text);
    return text;
}

static struct texts read_methods(const struct field *item)
{
    struct field list = field_get(item, "methods");
    if (field_count(&list) > SMI_METHODS_MAX)
        field_fail(&list, "has more than %d items", SMI_METHODS_MAX);
    struct texts methods = field_texts(&list, check_method, NULL);
    for (size_t i = 0; i < methods.n; i++)
        if (strcmp(methods.list[i], "*") == 0)
            return (struct texts){0};
    return methods;
}

static void read_header(const struct field *entry, struct route_value *value)
{
    struct err err;
    value->kind = ROUTE_VALUE_REGEX;
    value->value = field_text(entry);
    value->name = route_lower_case(entry, slice_str(entry->name));
    if (entry->reading->has_failed)
        return;
    if (!pattern_check(PATTERN_HEADER_NAME, slice_str(value->name), &err))
        field_fail(entry, "%s", err.text);
    else
        route_check_regex(entry, value->value);
}

static void read_headers(const struct field *item, struct route_values *headers)
{
    struct field field = field_get(item, "headers");
    struct field entry = {0}, map = {0};
    if (!field_is_set(&field))
        return;
    bool is_list = field.node->kind == YAML_KIND_LIST;
    size_t room = field.node->n_children;
    for (const struct yaml_node *node = field.node->child; is_list && node; node = node->next)
        room += node->n_children;
    if (room > 2 * SMI_METHODS_MAX)
        field_fail(&field, "has more than %d headers", SMI_METHODS_MAX);
    struct route_value *list =
        item->reading->has_failed ? NULL
                                  : arena_take_array(item->reading->arena, room + 1, sizeof(*list));
    if (item->reading->has_failed || !field_has_memory(&field, list))
        return;
    if (is_list)
        while (field_next_item(&field, &map)) {
            entry = (struct field){0};
            while (field_next_entry(&map, &entry))
                read_header(&entry, &list[headers->n++]);
        }
    else
        while (field_next_entry(&field, &entry))
            read_header(&entry, &list[headers->n++]);
    headers->list = list;
}

static void read_match(const struct field *item, struct smi_match *match)
{
    static const char *const names[] = {"name", "pathRegex", "methods", "headers"};
    field_allow_only(item, names, COUNT(names));
    struct field name = field_get(item, "name");
    struct field path = field_get(item, "pathRegex");
    field_require(&name);
    match->name = field_text(&name);
    match->path = read_path(&path);
    match->methods = read_methods(item);
    read_headers(item, &match->headers);
    if (!field_is_set(&path) && item->node && yaml_node_get(item->node, "methods") == NULL &&
        match->headers.n == 0)
        field_fail(item, "says nothing: expected pathRegex, methods or headers");
}

void http_route_group_read(const struct field *root, struct object *object)
{
    static const char *const names[] = {"matches"};
    struct http_route_group *group = (struct http_route_group *)object;
    struct field spec = field_get(root, "spec");
    struct field body = smi_body(root);
    if (field_is_set(&spec))
        field_allow_only(&spec, names, COUNT(names));
    struct field list = field_get(&body, "matches");
    struct field item = {0};
    field_require(&list);
    struct smi_match *matches =
        route_list(&list, SMI_MATCHES_MAX, sizeof(*matches), &group->n_matches);
    while (group->n_matches > 0 && field_next_item(&list, &item)) {
        read_match(&item, &matches[item.index]);
        for (size_t i = 0; i < item.index && !root->reading->has_failed; i++)
            if (strcmp(matches[i].name, matches[item.index].name) == 0)
                field_fail(&item, "has the name \"%s\", as matches[%zu] does", matches[i].name, i);
    }
    group->matches = matches;
}

const struct smi_match *http_route_group_match(const struct http_route_group *group,
                                               const char *name)
{
    for (size_t i = 0; i < group->n_matches; i++)
        if (strcmp(group->matches[i].name, name) == 0)
            return &group->matches[i];
    return NULL;
}

void smi_tcp_route_read(const struct field *root, struct object *object)
{
    static const char *const names[] = {"matches"};
    static const char *const match_names[] = {"name", "ports"};
    struct smi_tcp_route *route = (struct smi_tcp_route *)object;
    struct field spec = field_get(root, "spec");
    if (!field_is_set(&spec) || spec.node->n_children == 0)
        return;
    field_allow_only(&spec, names, COUNT(names));
    struct field matches = field_get(&spec, "matches");
    if (!field_is_set(&matches))
        return;
    field_allow_only(&matches, match_names, COUNT(match_names));
    struct field ports = field_get(&matches, "ports");
    if (field_count(&ports) > 0)
        route->ports = field_port_list(&ports);
}

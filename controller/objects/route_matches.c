/*
 * `matches` of HTTPRoute and GRPCRoute rules.
 */
#include <ctype.h>

#include "common/http/pattern.h"
#include "common/regex.h"
#include "controller/objects/route_parts.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define VALUES_MAX   16 /* headers of a match, or parameters */

const char *route_lower_case(const struct field *field, struct slice text)
{
    char *copy = arena_text(field->reading->arena, text);
    if (!field_has_memory(field, copy))
        return "";
    for (char *c = copy; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return copy;
}

const char *route_header_name(const struct field *field)
{
    struct err err;
    const char *name = route_lower_case(field, field_slice(field));
    field_require(field);
    if (field->reading->has_failed)
        return "";
    if (!pattern_check(PATTERN_HEADER_NAME, slice_str(name), &err))
        field_fail(field, "%s", err.text);
    return name;
}

static bool ends_with_dots(const char *path)
{
    struct slice text = slice_str(path);
    return slice_ends_with(text, SLICE_LITERAL("/.")) ||
           slice_ends_with(text, SLICE_LITERAL("/.."));
}

const char *route_path(const struct field *field)
{
    const char *path = field_text(field);
    if (field->reading->has_failed)
        return path;
    if (path[0] != '/')
        field_fail(field, "\"%s\" does not begin with /", path);
    else if (strstr(path, "//") || strstr(path, "/./") || strstr(path, "/../") ||
             strpbrk(path, "?# ") || ends_with_dots(path))
        field_fail(field, "\"%s\" is no path in normal form: it would match nothing", path);
    return path;
}

void route_check_regex(const struct field *field, const char *text)
{
    struct err err;
    struct regex *regex = field->reading->has_failed ? NULL : regex_new(slice_str(text), &err);
    if (!regex && !field->reading->has_failed)
        field_fail(field, "%s", err.text);
    regex_free(regex);
}

static const char *read_regex(const struct field *field)
{
    const char *text = field_text(field);
    route_check_regex(field, text);
    return text;
}

static void read_path(const struct field *path, struct route_match *match)
{
    static const char *const names[] = {"type", "value"};
    static const char *const types[] = {"Exact", "PathPrefix", "RegularExpression"};
    static const enum route_path kinds[] = {ROUTE_PATH_EXACT, ROUTE_PATH_PREFIX, ROUTE_PATH_REGEX};
    match->path = "";
    if (!field_is_set(path))
        return;
    field_allow_only(path, names, COUNT(names));
    struct field type = field_get(path, "type");
    struct field value = field_get(path, "value");
    int choice = field_choice(&type, types, COUNT(types));
    match->path_kind = choice < 0 ? ROUTE_PATH_PREFIX : kinds[choice];
    if (!field_is_set(&value))
        match->path = "/";
    else
        match->path =
            match->path_kind == ROUTE_PATH_REGEX ? read_regex(&value) : route_path(&value);
}

static bool has_name(const struct route_value *values, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(values[i].name, name) == 0)
            return true;
    return false;
}

static void read_values(const struct field *up, const char *what, bool is_header,
                        struct route_values *values)
{
    static const char *const names[] = {"type", "name", "value"};
    static const char *const types[] = {"Exact", "RegularExpression"};
    struct field list = field_get(up, what);
    struct field item = {0};
    size_t n_listed;
    struct route_value *kept = route_list(&list, VALUES_MAX, sizeof(*kept), &n_listed);
    while (n_listed > 0 && field_next_item(&list, &item)) {
        struct route_value *value = &kept[values->n];
        field_allow_only(&item, names, COUNT(names));
        struct field type = field_get(&item, "type");
        struct field name = field_get(&item, "name");
        struct field text = field_get(&item, "value");
        field_require(&name);
        field_require(&text);
        bool is_regex = field_choice(&type, types, COUNT(types)) == 1;
        value->kind = is_regex ? ROUTE_VALUE_REGEX : ROUTE_VALUE_EXACT;
        value->name = is_header ? route_header_name(&name) : field_text(&name);
        value->value = is_regex ? read_regex(&text) : field_text(&text);
        if (!has_name(kept, values->n, value->name)) /* the first counts, says the Gateway API */
            values->n++;
    }
    values->list = kept;
}

static void read_http_match(const struct field *item, struct route_match *match)
{
    static const char *const names[] = {"path", "headers", "queryParams", "method"};
    static const char *const methods[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                          "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    field_allow_only(item, names, COUNT(names));
    struct field path = field_get(item, "path");
    struct field method = field_get(item, "method");
    int choice = field_choice(&method, methods, COUNT(methods));
    match->method = choice < 0 ? "" : methods[choice];
    read_path(&path, match);
    read_values(item, "headers", true, &match->headers);
    read_values(item, "queryParams", false, &match->query);
}

/* What stands for itself in an expression. */
static const char *quoted(const struct field *field, const char *text)
{
    const char *quoted = "";
    for (; quoted && *text; text++)
        quoted = arena_printf(field->reading->arena, "%s%s%c", quoted,
                              isalnum((unsigned char)*text) || *text == '_' ? "" : "\\", *text);
    return field_has_memory(field, quoted) ? quoted : "";
}

/* Service and method as the path that gRPC makes of them. */
static void set_grpc_path(const struct field *field, struct route_match *match, bool is_regex,
                          const char *service, const char *method)
{
    const char *path;
    struct arena *arena = field->reading->arena;
    match->grpc_service_len = strlen(service);
    match->grpc_method_len = strlen(method);
    if (is_regex) {
        match->path_kind = ROUTE_PATH_REGEX;
        path = arena_printf(arena, "/(?:%s)/(?:%s)", *service ? service : "[^/]+",
                            *method ? method : "[^/]+");
    } else if (*service) {
        match->path_kind = *method ? ROUTE_PATH_EXACT : ROUTE_PATH_PREFIX;
        path = arena_printf(arena, "/%s%s%s", service, *method ? "/" : "", method);
    } else {
        match->path_kind = ROUTE_PATH_REGEX;
        path = arena_printf(arena, "/[^/]+/%s", quoted(field, method));
    }
    match->path = field_has_memory(field, path) ? path : "";
}

static void read_grpc_match(const struct field *item, struct route_match *match)
{
    static const char *const names[] = {"method", "headers"};
    static const char *const method_names[] = {"type", "service", "method"};
    static const char *const types[] = {"Exact", "RegularExpression"};
    field_allow_only(item, names, COUNT(names));
    struct field method = field_get(item, "method");
    match->path = match->method = "";
    read_values(item, "headers", true, &match->headers);
    if (!field_is_set(&method))
        return;
    field_allow_only(&method, method_names, COUNT(method_names));
    struct field type = field_get(&method, "type");
    struct field service = field_get(&method, "service");
    struct field name = field_get(&method, "method");
    bool is_regex = field_choice(&type, types, COUNT(types)) == 1;
    const char *service_text = is_regex ? read_regex(&service) : field_text(&service);
    const char *name_text = is_regex ? read_regex(&name) : field_text(&name);
    if (!*service_text && !*name_text)
        field_fail(&method, "names neither a service nor a method");
    else if (!is_regex && (strchr(service_text, '/') || strchr(name_text, '/')))
        field_fail(&method, "a / stands neither in a service's name nor in a method's");
    else if (!item->reading->has_failed)
        set_grpc_path(&method, match, is_regex, service_text, name_text);
}

void route_matches_read(const struct field *rule_field, const struct object *route,
                        struct route_rule *rule)
{
    struct field list = field_get(rule_field, "matches");
    struct field item = {0};
    struct route_match *matches =
        route_list(&list, ROUTE_MATCHES_MAX, sizeof(*matches), &rule->n_matches);
    while (rule->n_matches > 0 && field_next_item(&list, &item)) {
        if (route->kind == OBJECT_GRPC_ROUTE)
            read_grpc_match(&item, &matches[item.index]);
        else
            read_http_match(&item, &matches[item.index]);
    }
    rule->matches = matches;
}

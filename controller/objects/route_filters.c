/*
 * `filters` of rules and backends of HTTPRoute and GRPCRoute.
 */
#include "common/http/pattern.h"
#include "controller/objects/ports.h"
#include "controller/objects/route_parts.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FIELDS_MAX   64
#define MILLIONTHS   1000000

static bool is_field_text(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if ((*c < 0x20 && *c != '\t') || *c == 0x7f)
            return false;
    return true;
}

static void read_fields(const struct field *up, const char *what, struct route_fields *fields)
{
    static const char *const names[] = {"name", "value"};
    struct field list = field_get(up, what);
    struct field item = {0};
    struct route_field *kept = route_list(&list, FIELDS_MAX, sizeof(*kept), &fields->n);
    while (fields->n > 0 && field_next_item(&list, &item)) {
        field_allow_only(&item, names, COUNT(names));
        struct field name = field_get(&item, "name");
        struct field value = field_get(&item, "value");
        field_require(&value);
        kept[item.index] = (struct route_field){route_header_name(&name), field_text(&value)};
        if (!is_field_text(kept[item.index].value))
            field_fail(&value, "has a byte that cannot stand in a header");
    }
    fields->list = kept;
}

static const char *check_header_name(const struct field *item, const void *context)
{
    (void)context;
    return route_header_name(item);
}

/* For a list in a header's value. */
static const char *check_text(const struct field *item, const void *context)
{
    (void)context;
    const char *text = field_text(item);
    if (!item->reading->has_failed && (!*text || strpbrk(text, " ,") || !is_field_text(text)))
        field_fail(item, "\"%s\" cannot stand in a header's list", text);
    return text;
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

static void read_edit(const struct field *edit, struct route_header_edit *headers)
{
    static const char *const names[] = {"set", "add", "remove"};
    field_allow_only(edit, names, COUNT(names));
    struct field remove = field_get(edit, "remove");
    read_fields(edit, "set", &headers->set);
    read_fields(edit, "add", &headers->add);
    headers->remove = field_texts(&remove, check_header_name, NULL);
}

static void read_path_edit(const struct field *up, enum route_path_edit *edit, const char **path)
{
    static const char *const names[] = {"type", "replaceFullPath", "replacePrefixMatch"};
    static const char *const types[] = {"ReplaceFullPath", "ReplacePrefixMatch"};
    struct field field = field_get(up, "path");
    *edit = ROUTE_EDIT_NONE;
    *path = "";
    if (!field_is_set(&field))
        return;
    field_allow_only(&field, names, COUNT(names));
    struct field type = field_get(&field, "type");
    field_require(&type);
    int choice = field_choice(&type, types, COUNT(types));
    struct field value = field_get(&field, choice == 0 ? names[1] : names[2]);
    struct field other = field_get(&field, choice == 0 ? names[2] : names[1]);
    if (field_is_set(&other))
        field_fail(&other, "does not go with this type");
    *edit = choice == 0 ? ROUTE_EDIT_WHOLE : ROUTE_EDIT_PREFIX;
    field_require(&value);
    bool may_be_empty = *edit == ROUTE_EDIT_PREFIX && field_slice(&value).len == 0;
    *path = may_be_empty ? "" : route_path(&value);
}

static const char *read_host(const struct field *up)
{
    struct field host = field_get(up, "hostname");
    return field_dns_name(&host);
}

static void read_redirect(const struct field *field, struct route_redirect *redirect)
{
    static const char *const names[] = {"scheme", "hostname", "port", "statusCode", "path"};
    static const char *const schemes[] = {"http", "https"};
    field_allow_only(field, names, COUNT(names));
    struct field scheme = field_get(field, "scheme");
    struct field port = field_get(field, "port");
    struct field status = field_get(field, "statusCode");
    int choice = field_choice(&scheme, schemes, COUNT(schemes));
    redirect->scheme = choice < 0 ? "" : schemes[choice];
    redirect->host = read_host(field);
    redirect->port = field_is_set(&port) ? field_port(&port) : 0;
    redirect->status = (uint16_t)field_uint(&status, 301, 308, 302);
    if (redirect->status > 303 && redirect->status < 307)
        field_fail(&status, "%u is none of 301, 302, 303, 307, 308", redirect->status);
    read_path_edit(field, &redirect->path_edit, &redirect->path);
}

static void read_rewrite(const struct field *field, struct route_rewrite *rewrite)
{
    static const char *const names[] = {"hostname", "path"};
    field_allow_only(field, names, COUNT(names));
    rewrite->host = read_host(field);
    read_path_edit(field, &rewrite->path_edit, &rewrite->path);
}

static void read_mirror(const struct field *field, const struct object *route,
                        struct route_mirror *mirror)
{
    static const char *const names[] = {"backendRef", "percent", "fraction"};
    static const char *const parts[] = {"numerator", "denominator"};
    field_allow_only(field, names, COUNT(names));
    struct field ref = field_get(field, "backendRef");
    struct field percent = field_get(field, "percent");
    struct field fraction = field_get(field, "fraction");
    field_require(&ref);
    route_backend_read(&ref, route, &mirror->backend);
    mirror->millionths = MILLIONTHS / 100 * (uint32_t)field_uint(&percent, 0, 100, 100);
    if (!field_is_set(&fraction))
        return;
    field_allow_only(&fraction, parts, COUNT(parts));
    struct field over = field_get(&fraction, "numerator");
    struct field under = field_get(&fraction, "denominator");
    field_require(&over);
    uint64_t denominator = field_uint(&under, 1, INT32_MAX, 100);
    uint64_t numerator = field_uint(&over, 0, denominator, 0);
    mirror->millionths = (uint32_t)(numerator * MILLIONTHS / denominator);
    if (field_is_set(&percent))
        field_fail(&fraction, "`percent` is there already");
}

static void read_cors(const struct field *field, struct route_cors *cors)
{
    static const char *const names[] = {"allowOrigins", "allowCredentials", "allowMethods",
                                        "allowHeaders", "exposeHeaders",    "maxAge"};
    field_allow_only(field, names, COUNT(names));
    struct field origins = field_get(field, "allowOrigins");
    struct field credentials = field_get(field, "allowCredentials");
    struct field methods = field_get(field, "allowMethods");
    struct field headers = field_get(field, "allowHeaders");
    struct field expose = field_get(field, "exposeHeaders");
    struct field age = field_get(field, "maxAge");
    cors->origins = field_texts(&origins, check_text, NULL);
    cors->methods = field_texts(&methods, check_method, NULL);
    cors->headers = field_texts(&headers, check_text, NULL);
    cors->expose_headers = field_texts(&expose, check_text, NULL);
    cors->allow_credentials = field_bool(&credentials, false);
    cors->max_age_sec = (uint32_t)field_uint(&age, 1, INT32_MAX, 5);
}

static void read_extension(const struct field *field, struct route_extension *extension)
{
    static const char *const names[] = {"group", "kind", "name"};
    field_allow_only(field, names, COUNT(names));
    struct field group = field_get(field, "group");
    struct field kind = field_get(field, "kind");
    struct field name = field_get(field, "name");
    field_require(&group);
    field_require(&kind);
    field_require(&name);
    *extension =
        (struct route_extension){field_text(&group), field_text(&kind), field_dns_name(&name)};
}

struct kind_row {
    const char *type, *member;
    enum route_filter_kind kind;
    bool is_for_grpc;
    bool may_repeat;
};

/* Those of a GRPCRoute first. */
static const struct kind_row kind_rows[] = {
    {"RequestHeaderModifier", "requestHeaderModifier", ROUTE_FILTER_REQUEST_HEADERS, true, false},
    {"ResponseHeaderModifier", "responseHeaderModifier", ROUTE_FILTER_RESPONSE_HEADERS, true,
     false},
    {"RequestMirror", "requestMirror", ROUTE_FILTER_MIRROR, true, true},
    {"ExtensionRef", "extensionRef", ROUTE_FILTER_EXTENSION, true, true},
    {"RequestRedirect", "requestRedirect", ROUTE_FILTER_REDIRECT, false, false},
    {"URLRewrite", "urlRewrite", ROUTE_FILTER_REWRITE, false, false},
    {"CORS", "cors", ROUTE_FILTER_CORS, false, false},
};

static const struct kind_row *row_of(enum route_filter_kind kind)
{
    const struct kind_row *row = kind_rows;
    while (row->kind != kind)
        row++;
    return row;
}

static void read_kind(const struct field *body, const struct object *route,
                      struct route_filter *filter)
{
    switch (filter->kind) {
    case ROUTE_FILTER_REQUEST_HEADERS:
    case ROUTE_FILTER_RESPONSE_HEADERS:
        read_edit(body, &filter->headers);
        break;
    case ROUTE_FILTER_REDIRECT:
        read_redirect(body, &filter->redirect);
        break;
    case ROUTE_FILTER_REWRITE:
        read_rewrite(body, &filter->rewrite);
        break;
    case ROUTE_FILTER_MIRROR:
        read_mirror(body, route, &filter->mirror);
        break;
    case ROUTE_FILTER_CORS:
        read_cors(body, &filter->cors);
        break;
    case ROUTE_FILTER_EXTENSION:
        read_extension(body, &filter->extension);
        break;
    }
}

/* False when it is of a type that the Gateway API knows and this version does not. */
static bool read_filter(const struct field *item, const struct object *route,
                        struct route_filter *filter)
{
    static const char *const names[] = {
        "type",          "requestHeaderModifier", "urlRewrite", "responseHeaderModifier",
        "requestMirror", "requestRedirect",       "cors",       "extensionRef"};
    const char *types[COUNT(kind_rows)];
    size_t n_types = 0;
    for (size_t i = 0; i < COUNT(kind_rows); i++)
        if (route->kind != OBJECT_GRPC_ROUTE || kind_rows[i].is_for_grpc)
            types[n_types++] = kind_rows[i].type;
    struct field type = field_get(item, "type");
    field_require(&type);
    if (slice_eq_str(field_slice(&type), "ExternalAuth"))
        return false;
    field_allow_only(item, names, COUNT(names));
    int choice = field_choice(&type, types, n_types);
    if (choice < 0)
        return true;
    struct field body = field_get(item, kind_rows[choice].member);
    filter->kind = kind_rows[choice].kind;
    field_require(&body);
    if (!item->reading->has_failed)
        read_kind(&body, route, filter);
    return true;
}

/* Of those that may stand there once. */
static bool is_there_already(const struct route_filter *filters, size_t at)
{
    if (row_of(filters[at].kind)->may_repeat)
        return false;
    for (size_t i = 0; i < at; i++)
        if (filters[i].kind == filters[at].kind)
            return true;
    return false;
}

void route_filters_read(const struct field *list, const struct object *route,
                        struct route_rule *rule, const struct route_filter **filters, size_t *n)
{
    struct field item = {0};
    size_t n_listed, n_kept = 0;
    struct route_filter *kept = route_list(list, ROUTE_FILTERS_MAX, sizeof(*kept), &n_listed);
    while (n_listed > 0 && field_next_item(list, &item)) {
        if (!read_filter(&item, route, &kept[n_kept])) {
            route_rule_drop(rule, &item, "this version does not ask for external authorization");
            continue;
        }
        if (!item.reading->has_failed && is_there_already(kept, n_kept))
            field_fail(&item, "%s is there already", row_of(kept[n_kept].kind)->type);
        n_kept++;
    }
    *filters = kept;
    *n = n_kept;
}

static const struct route_filter *find_filter(const struct route_filter *filters, size_t n,
                                              enum route_filter_kind kind)
{
    for (size_t i = 0; i < n; i++)
        if (filters[i].kind == kind)
            return &filters[i];
    return NULL;
}

/* Which prefix would be replaced? */
static bool edits_prefix(const struct route_filter *filters, size_t n)
{
    const struct route_filter *redirect = find_filter(filters, n, ROUTE_FILTER_REDIRECT);
    const struct route_filter *rewrite = find_filter(filters, n, ROUTE_FILTER_REWRITE);
    return (redirect && redirect->redirect.path_edit == ROUTE_EDIT_PREFIX) ||
           (rewrite && rewrite->rewrite.path_edit == ROUTE_EDIT_PREFIX);
}

static bool all_match_prefixes(const struct route_rule *rule)
{
    for (size_t i = 0; i < rule->n_matches; i++)
        if (rule->matches[i].path_kind != ROUTE_PATH_PREFIX &&
            rule->matches[i].path_kind != ROUTE_PATH_ANY) /* which is that of "/" */
            return false;
    return true;
}

void route_filters_check(const struct field *rule_field, const struct route_rule *rule)
{
    struct field list = field_get(rule_field, "filters");
    struct field backends = field_get(rule_field, "backendRefs");
    bool redirects = find_filter(rule->filters, rule->n_filters, ROUTE_FILTER_REDIRECT);
    bool edits = edits_prefix(rule->filters, rule->n_filters);
    if (redirects && find_filter(rule->filters, rule->n_filters, ROUTE_FILTER_REWRITE))
        field_fail(&list, "RequestRedirect and URLRewrite do not go together");
    if (redirects && rule->n_backends > 0)
        field_fail(&backends, "would never be asked: the rule redirects");
    for (size_t i = 0; i < rule->n_backends; i++)
        edits = edits || edits_prefix(rule->backends[i].filters, rule->backends[i].n_filters);
    if (edits && !all_match_prefixes(rule))
        field_fail(rule_field,
                   "ReplacePrefixMatch needs matches whose path has type PathPrefix, and no other");
}

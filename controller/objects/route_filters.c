/*
 * `filters` of rules and backends of HTTPRoute and GRPCRoute.
 */
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

static const char *check_any(const struct field *item, const void *context)
{
    (void)context;
    return field_text(item);
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
    cors->origins = field_texts(&origins, check_any, NULL);
    cors->methods = field_texts(&methods, check_any, NULL);
    cors->headers = field_texts(&headers, check_any, NULL);
    cors->expose_headers = field_texts(&expose, check_any, NULL);
    cors->allow_credentials = field_bool(&credentials, false);
    cors->max_age_sec = (uint32_t)field_uint(&age, 1, INT32_MAX, 5);
}

struct kind_row {
    const char *type, *member;
    enum route_filter_kind kind;
    bool is_for_grpc;
};

static const struct kind_row kind_rows[] = {
    {"RequestHeaderModifier", "requestHeaderModifier", ROUTE_FILTER_REQUEST_HEADERS, true},
    {"ResponseHeaderModifier", "responseHeaderModifier", ROUTE_FILTER_RESPONSE_HEADERS, true},
    {"RequestMirror", "requestMirror", ROUTE_FILTER_MIRROR, true},
    {"RequestRedirect", "requestRedirect", ROUTE_FILTER_REDIRECT, false},
    {"URLRewrite", "urlRewrite", ROUTE_FILTER_REWRITE, false},
    {"CORS", "cors", ROUTE_FILTER_CORS, false},
};

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
    }
}

static void read_filter(const struct field *item, const struct object *route,
                        struct route_filter *filter)
{
    static const char *const names[] = {
        "type",          "requestHeaderModifier", "urlRewrite", "responseHeaderModifier",
        "requestMirror", "requestRedirect",       "cors"};
    const char *types[COUNT(kind_rows)];
    size_t n_types = 0;
    for (size_t i = 0; i < COUNT(kind_rows); i++)
        if (route->kind != OBJECT_GRPC_ROUTE || kind_rows[i].is_for_grpc)
            types[n_types++] = kind_rows[i].type;
    field_allow_only(item, names, COUNT(names));
    struct field type = field_get(item, "type");
    field_require(&type);
    int choice = field_choice(&type, types, n_types);
    if (choice < 0)
        return;
    struct field body = field_get(item, kind_rows[choice].member);
    filter->kind = kind_rows[choice].kind;
    field_require(&body);
    if (!item->reading->has_failed)
        read_kind(&body, route, filter);
}

void route_filters_read(const struct field *list, const struct object *route,
                        const struct route_filter **filters, size_t *n)
{
    struct field item = {0};
    struct route_filter *kept = route_list(list, ROUTE_FILTERS_MAX, sizeof(*kept), n);
    while (*n > 0 && field_next_item(list, &item))
        read_filter(&item, route, &kept[item.index]);
    *filters = kept;
}

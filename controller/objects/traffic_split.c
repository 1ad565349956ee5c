#include "controller/objects/traffic_split.h"

#include "common/options.h"
#include "controller/objects/route_parts.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define WEIGHT_MAX   1000000
#define MILLI        1000 /* a quantity's "m" */

/* "website", or what applications may call it: "website.shop", "website.shop.svc.cluster.local". */
static const char *read_service(const struct field *field, const struct object *object)
{
    struct slice text = field_slice(field);
    const char *dot = text.len ? memchr(text.ptr, '.', text.len) : NULL;
    struct slice name = dot ? slice_sub(text, 0, (size_t)(dot - text.ptr)) : text;
    struct slice rest =
        dot ? slice_sub(text, name.len + 1, text.len) : slice_str(object->namespace);
    const char *end = memchr(rest.ptr, '.', rest.len);
    struct slice namespace = end ? slice_sub(rest, 0, (size_t)(end - rest.ptr)) : rest;
    if (field->reading->has_failed)
        return "";
    if (!slice_eq_str(namespace, object->namespace)) {
        field_fail(field, "\"%.*s\" is a Service of another namespace than the TrafficSplit's",
                   SLICE_ARG(text));
        return "";
    }
    char *copy = arena_text(field->reading->arena, name);
    return field_has_memory(field, copy) ? copy : "";
}

/* v1alpha1 writes weights as quantities: 1, 500m. */
static uint32_t read_quantity(const struct field *field)
{
    struct err ignored;
    uint64_t value = 0;
    if (!field_is_set(field) || field->reading->has_failed)
        return 0;
    struct slice text = field->node->text;
    bool is_milli = slice_ends_with(text, SLICE_LITERAL("m"));
    if (is_milli)
        text.len--;
    if (!option_parse_uint(text, 0, is_milli ? WEIGHT_MAX : WEIGHT_MAX / MILLI, &value, &ignored))
        field_fail(field, "\"%.*s\" is no quantity from 0 to %d, such as 1 or 500m",
                   SLICE_ARG(field->node->text), WEIGHT_MAX / MILLI);
    return (uint32_t)(is_milli ? value : value * MILLI);
}

static void read_backends(const struct field *spec, bool is_quantity, struct traffic_split *split)
{
    static const char *const names[] = {"service", "weight"};
    struct field list = field_get(spec, "backends");
    struct field item = {0};
    field_require(&list);
    struct split_backend *backends = field_take_items(&list, SPLIT_BACKENDS_MAX, sizeof(*backends));
    while (backends && field_next_item(&list, &item)) {
        field_allow_only(&item, names, COUNT(names));
        struct field service = field_get(&item, "service");
        struct field weight = field_get(&item, "weight");
        field_require(&service);
        field_require(&weight);
        backends[split->n_backends].service = read_service(&service, &split->object);
        backends[split->n_backends++].weight =
            is_quantity ? read_quantity(&weight) : (uint32_t)field_uint(&weight, 0, WEIGHT_MAX, 0);
    }
    split->backends = backends;
}

static const char *read_group(const struct field *item, const void *context)
{
    (void)context;
    static const char *const names[] = {"apiGroup", "kind", "name"};
    static const char *const kinds[] = {"HTTPRouteGroup"};
    field_allow_only(item, names, COUNT(names));
    struct field kind = field_get(item, "kind");
    struct field name = field_get(item, "name");
    field_require(&kind);
    field_require(&name);
    field_choice(&kind, kinds, COUNT(kinds));
    return field_dns_name(&name);
}

void traffic_split_read(const struct field *root, struct object *object)
{
    static const char *const names[] = {"service", "backends", "matches"};
    struct traffic_split *split = (struct traffic_split *)object;
    struct field version = field_get(root, "apiVersion");
    struct field spec = field_get(root, "spec");
    field_require(&spec);
    field_allow_only(&spec, names, COUNT(names));
    struct field service = field_get(&spec, "service");
    struct field matches = field_get(&spec, "matches");
    field_require(&service);
    split->service = read_service(&service, object);
    read_backends(&spec, slice_ends_with(field_slice(&version), SLICE_LITERAL("/v1alpha1")), split);
    if (field_count(&matches) > SPLIT_GROUPS_MAX)
        field_fail(&matches, "has more than %d items", SPLIT_GROUPS_MAX);
    if (field_count(&matches) > 0)
        split->groups = field_texts(&matches, read_group, NULL);
}

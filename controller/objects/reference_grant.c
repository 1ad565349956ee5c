#include "controller/objects/reference_grant.h"

#include "controller/objects/value.h"

#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define ENTRIES_MAX   16
#define GATEWAY_GROUP "gateway.networking.k8s.io"

static void read_from(const struct field *spec, struct reference_grant *grant)
{
    static const char *const names[] = {"group", "kind", "namespace"};
    struct field list = field_get(spec, "from");
    struct field item = {0};
    size_t n = field_count_some(&list);
    if (n > ENTRIES_MAX)
        field_fail(&list, "has more than %d items", ENTRIES_MAX);
    struct grant_from *from = arena_take_array(spec->reading->arena, n, sizeof(*from));
    if (!field_has_memory(&list, from) || spec->reading->has_failed)
        return;
    while (field_next_item(&list, &item)) {
        field_allow_only(&item, names, COUNT(names));
        struct field group = field_get(&item, "group");
        struct field kind = field_get(&item, "kind");
        struct field namespace = field_get(&item, "namespace");
        field_require(&kind);
        field_require(&namespace);
        from[item.index] = (struct grant_from){field_text(&group), field_text(&kind),
                                               field_label_name(&namespace)};
    }
    grant->from = from;
    grant->n_from = n;
}

static void read_to(const struct field *spec, struct reference_grant *grant)
{
    static const char *const names[] = {"group", "kind", "name"};
    struct field list = field_get(spec, "to");
    struct field item = {0};
    size_t n = field_count_some(&list);
    if (n > ENTRIES_MAX)
        field_fail(&list, "has more than %d items", ENTRIES_MAX);
    struct grant_to *to = arena_take_array(spec->reading->arena, n, sizeof(*to));
    if (!field_has_memory(&list, to) || spec->reading->has_failed)
        return;
    while (field_next_item(&list, &item)) {
        field_allow_only(&item, names, COUNT(names));
        struct field group = field_get(&item, "group");
        struct field kind = field_get(&item, "kind");
        struct field name = field_get(&item, "name");
        field_require(&kind);
        to[item.index] =
            (struct grant_to){field_text(&group), field_text(&kind), field_dns_name(&name)};
    }
    grant->to = to;
    grant->n_to = n;
}

void reference_grant_read(const struct field *root, struct object *object)
{
    static const char *const names[] = {"from", "to"};
    struct reference_grant *grant = (struct reference_grant *)object;
    struct field spec = field_get(root, "spec");
    field_require(&spec);
    field_allow_only(&spec, names, COUNT(names));
    struct field from = field_get(&spec, "from");
    struct field to = field_get(&spec, "to");
    field_require(&from);
    field_require(&to);
    read_from(&spec, grant);
    read_to(&spec, grant);
}

static bool is_from(const struct reference_grant *grant, const struct object *route)
{
    for (size_t i = 0; i < grant->n_from; i++)
        if (strcmp(grant->from[i].group, GATEWAY_GROUP) == 0 &&
            strcmp(grant->from[i].kind, object_kind_name(route->kind)) == 0 &&
            strcmp(grant->from[i].namespace, route->namespace) == 0)
            return true;
    return false;
}

bool reference_grant_covers(const struct reference_grant *grant, const struct object *route,
                            const char *service)
{
    if (!is_from(grant, route))
        return false;
    for (size_t i = 0; i < grant->n_to; i++) {
        bool is_core = !*grant->to[i].group || strcmp(grant->to[i].group, "core") == 0;
        bool is_named = !*grant->to[i].name || strcmp(grant->to[i].name, service) == 0;
        if (is_core && is_named && strcmp(grant->to[i].kind, "Service") == 0)
            return true;
    }
    return false;
}

#include "controller/objects/traffic_limits.h"

#include <string.h>

#include "controller/objects/value.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define REQUESTS_MAX 1000000000u
#define PER_MAX_MS   (24ull * 3600 * 1000)

static void read_by(const struct field *by, struct traffic_limit *limit)
{
    static const char *const kinds[] = {"Workload", "Identity", "Source", "Header"};
    static const char *const names[] = {"kind", "header"};
    limit->header = "";
    if (!field_is_set(by))
        return;
    field_allow_only(by, names, COUNT(names));
    struct field kind = field_get(by, "kind"), header = field_get(by, "header");
    field_require(&kind);
    int choice = field_choice(&kind, kinds, COUNT(kinds));
    if (choice >= 0)
        limit->by = (enum traffic_limit_by)choice;
    if (limit->by == TRAFFIC_BY_HEADER) {
        field_require(&header);
        limit->header = field_header_name(&header);
    } else if (field_is_set(&header)) {
        field_fail(&header, "is for kind Header only");
    }
}

static void read_match(const struct field *field, const struct object *object,
                       struct traffic_limit *limit)
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
    limit->match = rule;
}

/* A rate, of `what`. */
static void read_rate(const struct field *item, const char *what, struct traffic_limit *limit)
{
    struct field name = field_get(item, "name"), count = field_get(item, what);
    struct field per = field_get(item, "per"), burst = field_get(item, "burst");
    field_require(&name);
    field_require(&count);
    field_require(&per);
    limit->name = field_label_name(&name);
    limit->requests = (uint32_t)field_uint(&count, 1, REQUESTS_MAX, 1);
    limit->per_ms = field_duration_ms(&per, 1, PER_MAX_MS);
    limit->burst = (uint32_t)field_uint(&burst, 1, REQUESTS_MAX, 0);
}

static void read_connection_rate(const struct field *item, const struct object *object,
                                 struct traffic_limit *limit)
{
    static const char *const names[] = {"name", "connections", "per", "burst", "by"};
    static const char *const kinds[] = {"Workload", "Source"};
    (void)object;
    field_allow_only(item, names, COUNT(names));
    read_rate(item, "connections", limit);
    struct field by = field_get(item, "by");
    limit->header = "";
    limit->by =
        field_choice(&by, kinds, COUNT(kinds)) == 1 ? TRAFFIC_BY_SOURCE : TRAFFIC_BY_WORKLOAD;
}

static void read_limit(const struct field *item, const struct object *object,
                       struct traffic_limit *limit)
{
    static const char *const names[] = {"name", "requests", "per", "burst", "by", "match"};
    field_allow_only(item, names, COUNT(names));
    read_rate(item, "requests", limit);
    struct field by = field_get(item, "by");
    read_by(&by, limit);
    struct field match = field_get(item, "match");
    read_match(&match, object, limit);
}

typedef void read_item(const struct field *item, const struct object *object,
                       struct traffic_limit *limit);

static void read_list(const struct field *list, const struct object *object, read_item *read,
                      struct traffic_limits *limits)
{
    size_t n = field_count_some(list);
    if (n > TRAFFIC_LIMITS_MAX)
        field_fail(list, "has more than %d items", TRAFFIC_LIMITS_MAX);
    if (n == 0 || list->reading->has_failed)
        return;
    struct arena *arena = list->reading->arena;
    struct traffic_limit *made = arena_take_array(arena, n, sizeof(*made));
    limits->policy = arena_printf(arena, "%s/%s", object->namespace, object->name);
    if (!field_has_memory(list, made) || !field_has_memory(list, limits->policy))
        return;
    memset(made, 0, n * sizeof(*made));
    struct field item = {0};
    while (field_next_item(list, &item)) {
        read(&item, object, &made[item.index]);
        for (size_t i = 0; i < item.index && !list->reading->has_failed; i++)
            if (strcmp(made[i].name, made[item.index].name) == 0)
                field_fail(&item, "the name \"%s\" is there twice", made[i].name);
    }
    limits->list = made;
    limits->n = n;
}

void traffic_limits_read(const struct field *list, const struct object *object,
                         struct traffic_limits *limits)
{
    read_list(list, object, read_limit, limits);
}

void traffic_connection_rates_read(const struct field *list, const struct object *object,
                                   struct traffic_limits *limits)
{
    read_list(list, object, read_connection_rate, limits);
}

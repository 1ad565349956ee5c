#include "controller/objects/traffic_target.h"

#include "controller/objects/ports.h"
#include "controller/objects/route_parts.h"
#include "controller/objects/smi_spec.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void require_account_kind(const struct field *subject)
{
    struct field kind = field_get(subject, "kind");
    field_require(&kind);
    if (!subject->reading->has_failed && !slice_eq_str(field_slice(&kind), "ServiceAccount"))
        field_fail(&kind, "\"%.*s\" is not ServiceAccount, the only kind that has an identity",
                   SLICE_ARG(field_slice(&kind)));
}

static void read_destination(const struct field *body, struct traffic_target *target)
{
    static const char *const names[] = {"kind", "name", "namespace", "port"};
    struct field destination = field_get(body, "destination");
    field_require(&destination);
    field_allow_only(&destination, names, COUNT(names));
    require_account_kind(&destination);
    struct field name = field_get(&destination, "name");
    struct field namespace = field_get(&destination, "namespace");
    struct field port = field_get(&destination, "port");
    field_require(&name);
    target->account = field_dns_name(&name);
    target->port = field_is_set(&port) ? field_port(&port) : 0;
    if (field_is_set(&namespace) &&
        !slice_eq_str(field_slice(&namespace), target->object.namespace))
        field_fail(&namespace,
                   "is not the TrafficTarget's own: only who may write there may let others in");
}

static const char *read_match_name(const struct field *item, const void *context)
{
    (void)context;
    return field_text(item);
}

static void read_rule(const struct field *item, struct target_rule *rule)
{
    static const char *const names[] = {"kind", "name", "matches"};
    static const char *const kinds[] = {"HTTPRouteGroup", "TCPRoute"};
    field_allow_only(item, names, COUNT(names));
    struct field kind = field_get(item, "kind");
    struct field name = field_get(item, "name");
    struct field matches = field_get(item, "matches");
    field_require(&kind);
    field_require(&name);
    rule->is_http = field_choice(&kind, kinds, COUNT(kinds)) == 0;
    rule->name = field_dns_name(&name);
    if (field_count(&matches) > SMI_MATCHES_MAX)
        field_fail(&matches, "has more than %d items", SMI_MATCHES_MAX);
    if (field_count(&matches) > 0)
        rule->matches = field_texts(&matches, read_match_name, NULL);
    if (!rule->is_http && rule->matches.n > 0)
        field_fail(&matches, "is of an HTTPRouteGroup only: a TCPRoute has no names");
}

static const char *read_source(const struct field *item, const void *context)
{
    static const char *const names[] = {"kind", "name", "namespace"};
    const struct object *object = context;
    field_allow_only(item, names, COUNT(names));
    require_account_kind(item);
    struct field name = field_get(item, "name");
    struct field namespace = field_get(item, "namespace");
    field_require(&name);
    const char *text =
        arena_printf(item->reading->arena, "%s/%s",
                     field_is_set(&namespace) ? field_label_name(&namespace) : object->namespace,
                     field_dns_name(&name));
    return field_has_memory(item, text) ? text : "";
}

void traffic_target_read(const struct field *root, struct object *object)
{
    static const char *const names[] = {"destination", "rules", "sources"};
    struct traffic_target *target = (struct traffic_target *)object;
    struct field spec = field_get(root, "spec");
    struct field body = smi_body(root);
    if (field_is_set(&spec))
        field_allow_only(&spec, names, COUNT(names));
    read_destination(&body, target);
    struct field rules = field_get(&body, field_is_set(&spec) ? "rules" : "specs");
    struct field sources = field_get(&body, "sources");
    struct field item = {0};
    field_require(&rules);
    field_require(&sources);
    struct target_rule *list = field_take_items(&rules, TARGET_RULES_MAX, sizeof(*list));
    while (list && field_next_item(&rules, &item))
        read_rule(&item, &list[target->n_rules++]);
    target->rules = list;
    if (field_count_some(&sources) > TARGET_SOURCES_MAX)
        field_fail(&sources, "has more than %d items", TARGET_SOURCES_MAX);
    target->sources = field_texts(&sources, read_source, object);
}

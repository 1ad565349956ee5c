#include "controller/objects/external_service.h"

#include "common/cidr.h"
#include "common/dns_name.h"
#include "controller/objects/ports.h"
#include "controller/objects/route_parts.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *check_host(const struct field *item, const void *context)
{
    (void)context;
    const char *text = route_lower_case(item, field_slice(item));
    struct slice name = slice_str(text);
    if (slice_starts_with(name, SLICE_LITERAL("*.")))
        name = slice_sub(name, 2, name.len);
    if (!item->reading->has_failed && !dns_name_ok(name))
        field_fail(item, "\"%s\" is neither a name nor *.NAME; addresses stand in `addresses`",
                   text);
    return text;
}

static const char *check_block(const struct field *item, const void *context)
{
    (void)context;
    struct cidr cidr;
    struct err err;
    const char *text = field_text(item);
    if (!item->reading->has_failed && !cidr_parse(slice_str(text), &cidr, &err))
        field_fail(item, "%s", err.text);
    return text;
}

void external_service_read(const struct field *root, struct object *object)
{
    static const char *const names[] = {"hosts", "addresses", "ports"};
    struct external_host_object *external = (struct external_host_object *)object;
    struct field spec = field_get(root, "spec");
    field_require(&spec);
    field_allow_only(&spec, names, COUNT(names));
    struct field hosts = field_get(&spec, "hosts"), addresses = field_get(&spec, "addresses");
    struct field ports = field_get(&spec, "ports");
    struct field item = {0};
    if (!field_is_set(&hosts) && !field_is_set(&addresses))
        field_fail(&spec, "needs hosts, addresses, or both");
    if (field_count(&hosts) > EXTERNAL_NAMES_MAX)
        field_fail(&hosts, "has more than %d items", EXTERNAL_NAMES_MAX);
    if (field_count(&addresses) > EXTERNAL_NAMES_MAX)
        field_fail(&addresses, "has more than %d items", EXTERNAL_NAMES_MAX);
    external->hosts = field_texts(&hosts, check_host, NULL);
    external->addresses = field_texts(&addresses, check_block, NULL);
    field_require(&ports);
    uint32_t *list = field_take_items(&ports, EXTERNAL_PORTS_MAX, sizeof(*list));
    while (list && field_next_item(&ports, &item))
        list[external->n_ports++] = field_port(&item);
    external->ports = list;
}

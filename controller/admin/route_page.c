#include "controller/admin/route_page.h"

#include "controller/compile/route_status.h"

#define CONTROLLER_NAME "outrigger.dev/controller"

static json_t *condition_json(enum route_condition_type type,
                              const struct route_condition *condition)
{
    json_t *json = json_object();
    json_object_set_new(json, "type", json_string(route_condition_name(type)));
    json_object_set_new(json, "status", json_string(condition->is_true ? "True" : "False"));
    json_object_set_new(json, "reason", json_string(condition->reason));
    json_object_set_new(json, "message", json_string(condition->message));
    return json;
}

static json_t *ref_json(const struct route_parent *parent)
{
    json_t *json = json_object();
    json_object_set_new(json, "group", json_string(""));
    json_object_set_new(json, "kind", json_string("Service"));
    json_object_set_new(json, "namespace", json_string(parent->namespace));
    json_object_set_new(json, "name", json_string(parent->name));
    if (*parent->section)
        json_object_set_new(json, "sectionName", json_string(parent->section));
    if (parent->port)
        json_object_set_new(json, "port", json_integer(parent->port));
    return json;
}

json_t *route_parents_json(const struct store *store, const struct route *route)
{
    json_t *parents = json_array();
    for (size_t i = 0; i < route->n_parents; i++) {
        struct compile compile;
        if (!route->parents[i].is_service)
            continue;
        compile_init(&compile, store, NULL);
        struct route_status status = route_status_of(&compile, route, &route->parents[i]);
        json_t *conditions = json_array();
        for (int type = 0; type < ROUTE_CONDITIONS; type++)
            if (status.conditions[type].is_there)
                json_array_append_new(conditions, condition_json((enum route_condition_type)type,
                                                                 &status.conditions[type]));
        json_t *json = json_object();
        json_object_set_new(json, "parentRef", ref_json(&route->parents[i]));
        json_object_set_new(json, "controllerName", json_string(CONTROLLER_NAME));
        json_object_set_new(json, "conditions", conditions);
        json_array_append_new(parents, json);
        compile_fini(&compile);
    }
    return parents;
}

#include "controller/compile/route_problems.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "controller/compile/route_status.h"
#include "controller/objects/keys.h"

#define ORIGIN_BYTES 640

static const enum object_kind route_kinds[] = {OBJECT_HTTP_ROUTE, OBJECT_GRPC_ROUTE,
                                               OBJECT_TCP_ROUTE};
/* On which the status of a route depends. */
static const enum object_kind other_kinds[] = {OBJECT_SERVICE, OBJECT_REFERENCE_GRANT,
                                               OBJECT_HTTP_FILTER};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct route_problems {
    const struct store *store;
    struct problems *problems;
    struct map told; /* origins of problems that this module has set */
};

static void tell(struct route_problems *routes, const struct route *route, size_t parent,
                 const struct route_condition *condition, struct map *still)
{
    char origin[ORIGIN_BYTES], line[1024];
    const struct object *object = &route->object;
    snprintf(origin, sizeof(origin), "%s/%s/%s[%zu]", object_kind_name(object->kind),
             object->namespace, object->name, parent);
    snprintf(line, sizeof(line), "%s:%u: %s %s/%s: spec.parentRefs[%zu]: %s: %s", object->file,
             object->line, object_kind_name(object->kind), object->namespace, object->name, parent,
             condition->reason, condition->message);
    /* Short of memory the problem is told again at the next change, or stays a while too long. */
    if (!map_set(still, slice_str(origin), routes, NULL))
        return;
    if (problems_set(routes->problems, origin, line))
        LOG(LOG_WARN, "route_problem", LOG_S("error", line));
}

static void check_route(struct route_problems *routes, const struct route *route, struct map *still)
{
    for (size_t i = 0; i < route->n_parents; i++) {
        struct compile compile;
        if (!route->parents[i].is_service)
            continue;
        compile_init(&compile, routes->store, NULL);
        struct route_status status = route_status_of(&compile, route, &route->parents[i]);
        const struct route_condition *condition = route_status_problem(&status);
        if (condition)
            tell(routes, route, i, condition, still);
        compile_fini(&compile);
    }
}

static void check_all(struct route_problems *routes)
{
    char key[STORE_KEY_BYTES];
    struct map still = {0};
    for (size_t kind = 0; kind < COUNT(route_kinds); kind++) {
        struct found found = store_find(routes->store, key_of_kind(key, route_kinds[kind]));
        for (size_t i = 0; i < found.n; i++)
            check_route(routes, (const struct route *)found.list[i], &still);
    }
    MAP_EACH(entry, &routes->told) {
        if (!map_get(&still, entry->key))
            problems_clear(routes->problems, entry->key.ptr);
    }
    map_fini(&routes->told, NULL);
    routes->told = still;
}

static bool has_changed(const struct map *changed, const enum object_kind *kinds, size_t n)
{
    char key[STORE_KEY_BYTES];
    for (size_t i = 0; i < n; i++)
        if (!changed || map_get(changed, slice_str(key_of_kind(key, kinds[i]))))
            return true;
    return false;
}

static void on_change(void *context, const struct map *changed)
{
    if (has_changed(changed, route_kinds, COUNT(route_kinds)) ||
        has_changed(changed, other_kinds, COUNT(other_kinds)))
        check_all(context);
}

struct route_problems *route_problems_new(struct store *store, struct problems *problems)
{
    struct route_problems *routes = calloc(1, sizeof(*routes));
    if (!routes)
        return NULL;
    routes->store = store;
    routes->problems = problems;
    check_all(routes);
    store_listen(store, on_change, routes);
    return routes;
}

void route_problems_free(struct route_problems *routes)
{
    if (!routes)
        return;
    map_fini(&routes->told, NULL);
    free(routes);
}

#include "controller/compile/route_backend.h"

#include "controller/compile/endpoints.h"
#include "controller/compile/pod_ports.h"
#include "controller/objects/keys.h"
#include "controller/objects/reference_grant.h"
#include "controller/objects/service.h"

#define WHY_MAX_BYTES 400 /* a proxy takes 512 */

static bool is_granted(struct compile *compile, const struct object *route,
                       const struct route_backend *backend)
{
    char key[STORE_KEY_BYTES];
    if (strcmp(route->namespace, backend->namespace) == 0)
        return true;
    struct found grants =
        compile_find(compile, key_of_namespace(key, OBJECT_REFERENCE_GRANT, backend->namespace));
    for (size_t i = 0; i < grants.n; i++)
        if (reference_grant_covers((const struct reference_grant *)grants.list[i], route,
                                   backend->name))
            return true;
    return false;
}

static const struct service *backend_service(struct compile *compile,
                                             const struct route_backend *backend)
{
    return (const struct service *)compile_get(compile, OBJECT_SERVICE, backend->namespace,
                                               backend->name);
}

struct route_problem route_backend_problem(struct compile *compile, const struct object *route,
                                           const struct route_backend *backend)
{
    const char *namespace = backend->namespace, *name = backend->name;
    if (!backend->is_service)
        return (struct route_problem){
            "InvalidKind",
            compile_text(compile, "a mesh sends to Services, not to a %s", backend->kind)};
    if (!is_granted(compile, route, backend))
        return (struct route_problem){
            "RefNotPermitted",
            compile_text(compile,
                         "no ReferenceGrant in namespace %s lets a %s of namespace %s send to "
                         "Service %s",
                         namespace, object_kind_name(route->kind), route->namespace, name)};
    const struct service *service = backend_service(compile, backend);
    if (!service)
        return (struct route_problem){
            "BackendNotFound", compile_text(compile, "there is no Service %s/%s", namespace, name)};
    if (backend->port == 0)
        return (struct route_problem){
            "BackendNotFound",
            compile_text(compile, "the reference to Service %s/%s has no port", namespace, name)};
    if (!service_port_by_number(service, backend->port))
        return (struct route_problem){
            "BackendNotFound",
            compile_text(compile, "Service %s/%s has no port %u", namespace, name, backend->port)};
    return (struct route_problem){0};
}

void route_backend_fill(struct compile *compile, const struct object *route,
                        const struct route_backend *backend, int family,
                        Outrigger__V1__RouteBackend *message)
{
    struct route_problem problem = route_backend_problem(compile, route, backend);
    outrigger__v1__route_backend__init(message);
    message->weight = backend->weight;
    message->service = compile_text(compile, "%s/%s", backend->namespace, backend->name);
    if (problem.reason) {
        message->why =
            compile_text(compile, "%s: %.*s", problem.reason, WHY_MAX_BYTES, problem.text);
        return;
    }
    const struct service *service = backend_service(compile, backend);
    const struct service_port *port = service_port_by_number(service, backend->port);
    message->endpoints = endpoints_name(compile, service, port, family);
    message->protocol = service_port_protocol(service, port);
}

Outrigger__V1__RouteBackend *route_backend_broken(struct compile *compile, const char *why)
{
    Outrigger__V1__RouteBackend *message = compile_take(compile, 1, sizeof(*message));
    if (!message)
        return NULL;
    outrigger__v1__route_backend__init(message);
    message->weight = 1;
    message->why = compile_text(compile, "%.*s", WHY_MAX_BYTES, why);
    return message;
}

#include "controller/compile/route_backends.h"

#include "controller/compile/endpoints.h"
#include "controller/objects/keys.h"
#include "controller/objects/reference_grant.h"

/* ---- backends ------------------------------------------------------------------------------- */

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

const struct service *route_backend_service(struct compile *compile,
                                            const struct route_backend *backend)
{
    return (const struct service *)compile_get(compile, OBJECT_SERVICE, backend->namespace,
                                               backend->name);
}

const char *route_backend_problem(struct compile *compile, const struct object *route,
                                  const struct route_backend *backend)
{
    if (!backend->is_service)
        return compile_text(compile, "InvalidKind: a mesh sends to Services, not to \"%s\"",
                            backend->kind);
    if (!is_granted(compile, route, backend))
        return compile_text(compile,
                            "RefNotPermitted: no ReferenceGrant in namespace %s lets a %s of "
                            "namespace %s send to Service %s",
                            backend->namespace, object_kind_name(route->kind), route->namespace,
                            backend->name);
    const struct service *service = route_backend_service(compile, backend);
    if (!service)
        return compile_text(compile, "BackendNotFound: there is no Service %s/%s",
                            backend->namespace, backend->name);
    if (!service_port_by_number(service, backend->port))
        return compile_text(compile, "BackendNotFound: Service %s/%s has no port %u",
                            backend->namespace, backend->name, backend->port);
    return NULL;
}

void route_backend_fill(struct compile *compile, const struct object *route,
                        const struct route_backend *backend, int family,
                        Outrigger__V1__RouteBackend *message)
{
    const char *problem = route_backend_problem(compile, route, backend);
    outrigger__v1__route_backend__init(message);
    message->weight = backend->weight;
    message->service = compile_text(compile, "%s/%s", backend->namespace, backend->name);
    if (problem) {
        message->why = (char *)(uintptr_t)problem;
        return;
    }
    const struct service *service = route_backend_service(compile, backend);
    message->endpoints =
        endpoints_name(compile, service, service_port_by_number(service, backend->port), family);
}

/* ---- filters -------------------------------------------------------------------------------- */

static char *text(const char *text)
{
    return (char *)(uintptr_t)text;
}

static Outrigger__V1__HeaderField **fields_make(struct compile *compile,
                                                const struct route_fields *fields)
{
    Outrigger__V1__HeaderField **list = compile_take(compile, fields->n, sizeof(*list));
    for (size_t i = 0; list && i < fields->n; i++) {
        list[i] = compile_take(compile, 1, sizeof(**list));
        if (!list[i])
            return NULL;
        outrigger__v1__header_field__init(list[i]);
        list[i]->name = text(fields->list[i].name);
        list[i]->value = text(fields->list[i].value);
    }
    return list;
}

static char **texts_make(struct texts texts)
{
    return (char **)(uintptr_t)texts.list;
}

static Outrigger__V1__HeaderEdit *edit_make(struct compile *compile,
                                            const struct route_header_edit *edit)
{
    Outrigger__V1__HeaderEdit *message = compile_take(compile, 1, sizeof(*message));
    if (!message)
        return NULL;
    outrigger__v1__header_edit__init(message);
    message->set = fields_make(compile, &edit->set);
    message->add = fields_make(compile, &edit->add);
    if (!message->set || !message->add)
        return NULL;
    message->n_set = edit->set.n;
    message->n_add = edit->add.n;
    message->remove = texts_make(edit->remove);
    message->n_remove = edit->remove.n;
    return message;
}

static Outrigger__V1__Redirect *redirect_make(struct compile *compile,
                                              const struct route_redirect *redirect)
{
    Outrigger__V1__Redirect *message = compile_take(compile, 1, sizeof(*message));
    if (!message)
        return NULL;
    outrigger__v1__redirect__init(message);
    message->scheme = text(redirect->scheme);
    message->host = text(redirect->host);
    message->port = redirect->port;
    message->status = redirect->status;
    message->path_edit = (Outrigger__V1__PathEdit)redirect->path_edit;
    message->path = text(redirect->path);
    return message;
}

static Outrigger__V1__Rewrite *rewrite_make(struct compile *compile,
                                            const struct route_rewrite *rewrite)
{
    Outrigger__V1__Rewrite *message = compile_take(compile, 1, sizeof(*message));
    if (!message)
        return NULL;
    outrigger__v1__rewrite__init(message);
    message->host = text(rewrite->host);
    message->path_edit = (Outrigger__V1__PathEdit)rewrite->path_edit;
    message->path = text(rewrite->path);
    return message;
}

static Outrigger__V1__Mirror *mirror_make(struct compile *compile, const struct object *route,
                                          const struct route_mirror *mirror, int family)
{
    Outrigger__V1__Mirror *message = compile_take(compile, 1, sizeof(*message));
    Outrigger__V1__RouteBackend *backend = compile_take(compile, 1, sizeof(*backend));
    if (!message || !backend)
        return NULL;
    outrigger__v1__mirror__init(message);
    route_backend_fill(compile, route, &mirror->backend, family, backend);
    message->backend = backend;
    message->millionths = mirror->millionths;
    return message;
}

static Outrigger__V1__Cors *cors_make(struct compile *compile, const struct route_cors *cors)
{
    Outrigger__V1__Cors *message = compile_take(compile, 1, sizeof(*message));
    if (!message)
        return NULL;
    outrigger__v1__cors__init(message);
    message->origins = texts_make(cors->origins);
    message->n_origins = cors->origins.n;
    message->methods = texts_make(cors->methods);
    message->n_methods = cors->methods.n;
    message->headers = texts_make(cors->headers);
    message->n_headers = cors->headers.n;
    message->expose_headers = texts_make(cors->expose_headers);
    message->n_expose_headers = cors->expose_headers.n;
    message->allow_credentials = cors->allow_credentials;
    message->max_age_sec = cors->max_age_sec;
    return message;
}

static bool filter_fill(struct compile *compile, const struct object *route,
                        const struct route_filter *filter, int family,
                        Outrigger__V1__RouteFilter *message)
{
    switch (filter->kind) {
    case ROUTE_FILTER_REQUEST_HEADERS:
        message->kind_case = OUTRIGGER__V1__ROUTE_FILTER__KIND_REQUEST_HEADERS;
        return (message->request_headers = edit_make(compile, &filter->headers));
    case ROUTE_FILTER_RESPONSE_HEADERS:
        message->kind_case = OUTRIGGER__V1__ROUTE_FILTER__KIND_RESPONSE_HEADERS;
        return (message->response_headers = edit_make(compile, &filter->headers));
    case ROUTE_FILTER_REDIRECT:
        message->kind_case = OUTRIGGER__V1__ROUTE_FILTER__KIND_REDIRECT;
        return (message->redirect = redirect_make(compile, &filter->redirect));
    case ROUTE_FILTER_REWRITE:
        message->kind_case = OUTRIGGER__V1__ROUTE_FILTER__KIND_REWRITE;
        return (message->rewrite = rewrite_make(compile, &filter->rewrite));
    case ROUTE_FILTER_MIRROR:
        message->kind_case = OUTRIGGER__V1__ROUTE_FILTER__KIND_MIRROR;
        return (message->mirror = mirror_make(compile, route, &filter->mirror, family));
    case ROUTE_FILTER_CORS:
        message->kind_case = OUTRIGGER__V1__ROUTE_FILTER__KIND_CORS;
        return (message->cors = cors_make(compile, &filter->cors));
    }
    return false;
}

Outrigger__V1__RouteFilter **route_filters_make(struct compile *compile, const struct object *route,
                                                const struct route_filter *filters, size_t n,
                                                int family)
{
    Outrigger__V1__RouteFilter **list = compile_take(compile, n, sizeof(*list));
    for (size_t i = 0; list && i < n; i++) {
        list[i] = compile_take(compile, 1, sizeof(**list));
        if (!list[i])
            return NULL;
        outrigger__v1__route_filter__init(list[i]);
        if (!filter_fill(compile, route, &filters[i], family, list[i]))
            return NULL;
    }
    return list;
}

/* ---- rules ---------------------------------------------------------------------------------- */

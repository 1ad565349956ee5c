#include "controller/compile/route_filter.h"

#include "controller/objects/http_filter.h"

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

static Outrigger__V1__DirectResponse *direct_make(struct compile *compile,
                                                  const struct http_direct_response *direct)
{
    Outrigger__V1__DirectResponse *message = compile_take(compile, 1, sizeof(*message));
    if (!message)
        return NULL;
    outrigger__v1__direct_response__init(message);
    message->status = direct->status;
    message->body = text(direct->body);
    message->content_type = text(direct->content_type);
    return message;
}

static Outrigger__V1__Fault *fault_make(struct compile *compile, const struct http_fault *fault)
{
    Outrigger__V1__Fault *message = compile_take(compile, 1, sizeof(*message));
    if (!message)
        return NULL;
    outrigger__v1__fault__init(message);
    message->delay_ms = fault->delay_ms;
    message->delay_millionths = fault->delay_millionths;
    message->abort_status = fault->abort_status;
    message->abort_grpc_status = fault->abort_grpc_status;
    message->abort_millionths = fault->abort_millionths;
    return message;
}

static bool extension_fill(struct compile *compile, const struct http_filter *filter,
                           Outrigger__V1__RouteFilter *message)
{
    if (filter->is_fault) {
        message->kind_case = OUTRIGGER__V1__ROUTE_FILTER__KIND_FAULT;
        return (message->fault = fault_make(compile, &filter->fault));
    }
    message->kind_case = OUTRIGGER__V1__ROUTE_FILTER__KIND_DIRECT_RESPONSE;
    return (message->direct_response = direct_make(compile, &filter->direct_response));
}

/* NULL when there is no such object. */
static const struct http_filter *extension_object(struct compile *compile,
                                                  const struct object *route,
                                                  const struct route_extension *extension)
{
    if (strcmp(extension->group, HTTP_FILTER_GROUP) != 0 ||
        strcmp(extension->kind, HTTP_FILTER_KIND) != 0)
        return NULL;
    return (const struct http_filter *)compile_get(compile, OBJECT_HTTP_FILTER, route->namespace,
                                                   extension->name);
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
    case ROUTE_FILTER_EXTENSION:
        return extension_fill(compile, extension_object(compile, route, &filter->extension),
                              message);
    }
    return false;
}

static bool is_left_out(struct compile *compile, const struct object *route,
                        const struct route_filter *filter)
{
    return filter->kind == ROUTE_FILTER_MIRROR &&
           route_backend_problem(compile, route, &filter->mirror.backend).reason;
}

struct route_filter_messages route_filter_list(struct compile *compile, const struct object *route,
                                               const struct route_filter *filters, size_t n,
                                               int family)
{
    struct route_filter_messages made = {.list = compile_take(compile, n, sizeof(*made.list))};
    for (size_t i = 0; made.list && i < n; i++) {
        if (is_left_out(compile, route, &filters[i]))
            continue;
        Outrigger__V1__RouteFilter *message = compile_take(compile, 1, sizeof(*message));
        if (!message)
            return (struct route_filter_messages){0};
        outrigger__v1__route_filter__init(message);
        if (!filter_fill(compile, route, &filters[i], family, message))
            return (struct route_filter_messages){0};
        made.list[made.n++] = message;
    }
    return made;
}

struct route_problem route_filter_problem(struct compile *compile, const struct object *route,
                                          const struct route_filter *filters, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct route_extension *extension = &filters[i].extension;
        if (filters[i].kind != ROUTE_FILTER_EXTENSION ||
            extension_object(compile, route, extension))
            continue;
        if (strcmp(extension->group, HTTP_FILTER_GROUP) != 0 ||
            strcmp(extension->kind, HTTP_FILTER_KIND) != 0)
            return (struct route_problem){
                "InvalidKind",
                compile_text(compile, "%s of group %s is no filter that this mesh knows",
                             extension->kind, extension->group)};
        return (struct route_problem){
            "BackendNotFound", compile_text(compile, "there is no " HTTP_FILTER_KIND " %s/%s",
                                            route->namespace, extension->name)};
    }
    return (struct route_problem){0};
}

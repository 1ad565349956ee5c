#include "proxy/route/filters.h"

#include "common/http/pattern.h"
#include "proxy/wire.h"

#define TEXT_MAX     4096
#define BODY_MAX     (64 * 1024)
#define LIST_MAX     64
#define MILLIONTHS   1000000
#define MAX_DELAY_MS (3600ull * 1000)
#define FIRST_STATUS 200
#define LAST_STATUS  599
#define LAST_GRPC    16

/* What will stand in a head must not be able to end a line of it. */
static bool copy_value(struct arena *arena, const char *text, struct slice *to, const char *field,
                       struct err *err)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if ((*c < 0x20 && *c != '\t') || *c == 0x7f)
            return err_set(err, "%s: byte 0x%02x cannot stand in a header", field, *c);
    return wire_copy(arena, text, TEXT_MAX, to, field, err);
}

static bool is_status(uint32_t status, const char *field, struct err *err)
{
    if (status >= FIRST_STATUS && status <= LAST_STATUS)
        return true;
    return err_set(err, "%s: %u is no final status (%d-%d)", field, status, FIRST_STATUS,
                   LAST_STATUS);
}

static bool is_share(uint32_t millionths, const char *field, struct err *err)
{
    return wire_at_most(millionths, MILLIONTHS, field, err);
}

static bool name_fill(struct arena *arena, const char *text, struct slice *name, struct err *err)
{
    return wire_copy(arena, text, TEXT_MAX, name, "name", err) &&
           (pattern_check(PATTERN_HEADER_NAME, *name, err) || err_prefix(err, "name"));
}

static bool fields_fill(struct arena *arena, Outrigger__V1__HeaderField *const *messages, size_t n,
                        const struct field **list, const char *field, struct err *err)
{
    if (!wire_at_most(n, LIST_MAX, field, err))
        return false;
    struct field *fields = arena_take_array(arena, n, sizeof(*fields));
    if (!fields && n > 0)
        return err_set(err, "%s: out of memory", field);
    for (size_t i = 0; i < n; i++) {
        if (!name_fill(arena, messages[i]->name, &fields[i].name, err) ||
            !copy_value(arena, messages[i]->value, &fields[i].value, "value", err))
            return wire_at(err, "%s[%zu]", field, i);
        fields[i].id = field_name_of(fields[i].name);
    }
    *list = fields;
    return true;
}

static bool edit_fill(struct header_edit *edit, const Outrigger__V1__HeaderEdit *message,
                      struct arena *arena, struct err *err)
{
    if (!fields_fill(arena, message->set, message->n_set, &edit->set, "set", err) ||
        !fields_fill(arena, message->add, message->n_add, &edit->add, "add", err) ||
        !wire_at_most(message->n_remove, LIST_MAX, "remove", err))
        return false;
    struct slice *names = arena_take_array(arena, message->n_remove, sizeof(*names));
    if (!names && message->n_remove > 0)
        return err_set(err, "remove: out of memory");
    for (size_t i = 0; i < message->n_remove; i++)
        if (!name_fill(arena, message->remove[i], &names[i], err))
            return wire_at(err, "remove[%zu]", i);
    edit->remove = names;
    edit->n_set = message->n_set;
    edit->n_add = message->n_add;
    edit->n_remove = message->n_remove;
    return true;
}

static bool path_edit_fill(int message, const char *text, enum path_edit *edit, struct slice *path,
                           struct arena *arena, struct err *err)
{
    if (message < OUTRIGGER__V1__PATH_EDIT__PATH_EDIT_NONE ||
        message > OUTRIGGER__V1__PATH_EDIT__PATH_EDIT_PREFIX)
        return err_set(err, "path_edit: %d is not known to this version", message);
    *edit = (enum path_edit)message; /* the same numbers */
    if (*edit == PATH_EDIT_WHOLE && *text != '/')
        return err_set(err, "path: \"%.64s\" does not begin with '/'", text);
    return copy_value(arena, text, path, "path", err);
}

static bool redirect_fill(struct redirect *redirect, const Outrigger__V1__Redirect *message,
                          struct arena *arena, struct err *err)
{
    if (message->status < 301 || message->status > 308 ||
        (message->status > 303 && message->status < 307))
        return err_set(err, "status: %u is none of 301, 302, 303, 307, 308", message->status);
    redirect->status = (uint16_t)message->status;
    redirect->port = (uint16_t)message->port;
    return wire_at_most(message->port, UINT16_MAX, "port", err) &&
           copy_value(arena, message->scheme, &redirect->scheme, "scheme", err) &&
           copy_value(arena, message->host, &redirect->host, "host", err) &&
           path_edit_fill((int)message->path_edit, message->path, &redirect->path_edit,
                          &redirect->path, arena, err);
}

static bool rewrite_fill(struct rewrite *rewrite, const Outrigger__V1__Rewrite *message,
                         struct arena *arena, struct err *err)
{
    return copy_value(arena, message->host, &rewrite->host, "host", err) &&
           path_edit_fill((int)message->path_edit, message->path, &rewrite->path_edit,
                          &rewrite->path, arena, err);
}

static bool mirror_fill(struct mirror_rule *mirror, const Outrigger__V1__Mirror *message,
                        struct arena *arena, struct err *err)
{
    struct slice endpoints, service;
    if (!message->backend)
        return err_set(err, "backend: missing");
    if (!copy_value(arena, message->backend->endpoints, &endpoints, "backend.endpoints", err) ||
        !copy_value(arena, message->backend->service, &service, "backend.service", err))
        return false;
    mirror->endpoints = endpoints.ptr;
    mirror->service = service.ptr;
    mirror->millionths = message->millionths;
    return is_share(message->millionths, "millionths", err);
}

/* "GET, POST": as a head has it. `*any` is set when one of them is `*`. */
static bool join(struct arena *arena, char *const *texts, size_t n, struct slice *joined, bool *any,
                 const char *field, struct err *err)
{
    const char *so_far = "";
    *any = false;
    if (!wire_at_most(n, LIST_MAX, field, err))
        return false;
    for (size_t i = 0; so_far && i < n; i++) {
        struct slice one;
        if (!copy_value(arena, texts[i], &one, field, err))
            return false;
        *any = *any || slice_eq_str(one, "*");
        so_far = arena_printf(arena, "%s%s%s", so_far, i ? ", " : "", one.ptr);
    }
    *joined = slice_str(so_far);
    return so_far || err_set(err, "%s: out of memory", field);
}

static bool cors_fill(struct cors *cors, const Outrigger__V1__Cors *message, struct arena *arena,
                      struct err *err)
{
    bool ignored;
    if (!wire_at_most(message->n_origins, LIST_MAX, "origins: their number", err))
        return false;
    struct slice *origins = arena_take_array(arena, message->n_origins, sizeof(*origins));
    const char *max_age = arena_printf(arena, "%u", message->max_age_sec);
    if ((!origins && message->n_origins > 0) || !max_age)
        return err_set(err, "origins: out of memory");
    for (size_t i = 0; i < message->n_origins; i++)
        if (!copy_value(arena, message->origins[i], &origins[i], "origins", err))
            return false;
    cors->origins = origins;
    cors->n_origins = message->n_origins;
    cors->allow_credentials = message->allow_credentials;
    cors->max_age = message->max_age_sec ? slice_str(max_age) : slice_str("");
    return join(arena, message->methods, message->n_methods, &cors->methods, &cors->any_method,
                "methods", err) &&
           join(arena, message->headers, message->n_headers, &cors->headers, &cors->any_header,
                "headers", err) &&
           join(arena, message->expose_headers, message->n_expose_headers, &cors->expose_headers,
                &ignored, "expose_headers", err);
}

static bool direct_response_fill(struct direct_response *direct,
                                 const Outrigger__V1__DirectResponse *message, struct arena *arena,
                                 struct err *err)
{
    direct->status = (uint16_t)message->status;
    return is_status(message->status, "status", err) &&
           wire_copy(arena, message->body, BODY_MAX, &direct->body, "body", err) &&
           copy_value(arena, message->content_type, &direct->content_type, "content_type", err);
}

static bool fault_fill(struct fault *fault, const Outrigger__V1__Fault *message, struct err *err)
{
    *fault = (struct fault){
        .delay_ms = message->delay_ms,
        .delay_millionths = message->delay_millionths,
        .abort_status = (uint16_t)message->abort_status,
        .abort_grpc_status = (int)message->abort_grpc_status,
        .abort_millionths = message->abort_millionths,
    };
    return wire_at_most(message->delay_ms, MAX_DELAY_MS, "delay_ms", err) &&
           is_share(message->delay_millionths, "delay_millionths", err) &&
           is_share(message->abort_millionths, "abort_millionths", err) &&
           wire_at_most(message->abort_grpc_status, LAST_GRPC, "abort_grpc_status", err) &&
           (message->abort_status == 0 || is_status(message->abort_status, "abort_status", err));
}

static bool filter_fill(struct filter *filter, const Outrigger__V1__RouteFilter *message,
                        struct arena *arena, struct err *err)
{
    switch ((int)message->kind_case) {
    case OUTRIGGER__V1__ROUTE_FILTER__KIND_REQUEST_HEADERS:
        filter->kind = FILTER_REQUEST_HEADERS;
        return edit_fill(&filter->headers, message->request_headers, arena, err) ||
               wire_at(err, "request_headers");
    case OUTRIGGER__V1__ROUTE_FILTER__KIND_RESPONSE_HEADERS:
        filter->kind = FILTER_RESPONSE_HEADERS;
        return edit_fill(&filter->headers, message->response_headers, arena, err) ||
               wire_at(err, "response_headers");
    case OUTRIGGER__V1__ROUTE_FILTER__KIND_REDIRECT:
        filter->kind = FILTER_REDIRECT;
        return redirect_fill(&filter->redirect, message->redirect, arena, err) ||
               wire_at(err, "redirect");
    case OUTRIGGER__V1__ROUTE_FILTER__KIND_REWRITE:
        filter->kind = FILTER_REWRITE;
        return rewrite_fill(&filter->rewrite, message->rewrite, arena, err) ||
               wire_at(err, "rewrite");
    case OUTRIGGER__V1__ROUTE_FILTER__KIND_MIRROR:
        filter->kind = FILTER_MIRROR;
        return mirror_fill(&filter->mirror, message->mirror, arena, err) || wire_at(err, "mirror");
    case OUTRIGGER__V1__ROUTE_FILTER__KIND_CORS:
        filter->kind = FILTER_CORS;
        return cors_fill(&filter->cors, message->cors, arena, err) || wire_at(err, "cors");
    case OUTRIGGER__V1__ROUTE_FILTER__KIND_DIRECT_RESPONSE:
        filter->kind = FILTER_DIRECT_RESPONSE;
        return direct_response_fill(&filter->direct_response, message->direct_response, arena,
                                    err) ||
               wire_at(err, "direct_response");
    case OUTRIGGER__V1__ROUTE_FILTER__KIND_FAULT:
        filter->kind = FILTER_FAULT;
        return fault_fill(&filter->fault, message->fault, err) || wire_at(err, "fault");
    default:
        return err_set(err, "kind: not known to this version");
    }
}

bool filters_build(struct filters *filters, Outrigger__V1__RouteFilter *const *messages, size_t n,
                   struct arena *arena, struct err *err)
{
    if (!wire_at_most(n, FILTERS_MAX, "filters: their number", err))
        return false;
    struct filter *list = arena_take_array(arena, n, sizeof(*list));
    if (!list && n > 0)
        return err_set(err, "filters: out of memory");
    for (size_t i = 0; i < n; i++)
        if (!filter_fill(&list[i], messages[i], arena, err))
            return wire_at(err, "filters[%zu]", i);
    *filters = (struct filters){list, n};
    return true;
}

const char *filter_kind_name(enum filter_kind kind)
{
    static const char *const names[] = {
        [FILTER_REQUEST_HEADERS] = "request_headers",
        [FILTER_RESPONSE_HEADERS] = "response_headers",
        [FILTER_REDIRECT] = "redirect",
        [FILTER_REWRITE] = "rewrite",
        [FILTER_MIRROR] = "mirror",
        [FILTER_CORS] = "cors",
        [FILTER_DIRECT_RESPONSE] = "direct_response",
        [FILTER_FAULT] = "fault",
    };
    return names[kind];
}

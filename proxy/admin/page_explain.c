/*
 * /explain: what would become of a request, and why (explain.h).
 */
#include <jansson.h>
#include <stdlib.h>

#include "common/http/pattern.h"
#include "common/options.h"
#include "proxy/admin/admin.h"
#include "proxy/admin/explain.h"
#include "proxy/admin/pages.h"

static bool read_destination(struct explain_request *request, const struct workload *workload,
                             const char *value, struct err *err)
{
    struct err ignored;
    uint64_t port;
    if (addr_parse(slice_str(value), &request->destination, &ignored))
        return true;
    /* Of the pod itself the port is enough. */
    if (request->is_inbound && workload && workload->n_addresses > 0 &&
        option_parse_uint(slice_str(value), 1, UINT16_MAX, &port, &ignored)) {
        request->destination = addr_make(&workload->addresses[0], (uint16_t)port);
        return true;
    }
    return err_set(err, "destination: \"%.64s\" is no ADDRESS:PORT%s", value,
                   request->is_inbound ? ", and no port of this pod" : "");
}

/* "name: value" */
static bool read_header(struct head *head, const char *value, struct err *err)
{
    struct slice text = slice_str(value);
    const char *colon = strchr(value, ':');
    char *name =
        colon ? arena_text(head->arena, slice_sub(text, 0, (size_t)(colon - value))) : NULL;
    if (!name)
        return err_set(err, "header: \"%.64s\" is no NAME:VALUE", value);
    for (char *c = name; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c |= 0x20;
    if (!pattern_check(PATTERN_HEADER_NAME, slice_str(name), err))
        return err_prefix(err, "header");
    const char *from = colon + 1;
    while (*from == ' ')
        from++;
    return head_add_field(head, (struct field){.name = slice_str(name),
                                               .value = slice_str(from),
                                               .id = field_name_of(slice_str(name))}) ||
           err_set(err, "out of memory");
}

static bool read_one(struct explain_request *request, const char *name, const char *value,
                     struct err *err)
{
    struct head *head = request->head;
    if (strcmp(name, "method") == 0)
        head->method = slice_str(value);
    else if (strcmp(name, "path") == 0 && value[0] == '/')
        head->path = slice_str(value);
    else if (strcmp(name, "path") == 0)
        return err_set(err, "path: \"%.64s\" does not begin with '/'", value);
    else if (strcmp(name, "host") == 0)
        head->authority = slice_str(value);
    else if (strcmp(name, "identity") == 0)
        request->identity = slice_str(value);
    else if (strcmp(name, "source") == 0)
        return ip_parse(slice_str(value), &request->source) ||
               err_set(err, "source: \"%.64s\" is no IP address", value);
    else if (strcmp(name, "header") == 0)
        return read_header(head, value, err);
    else if (strcmp(name, "destination") != 0 && strcmp(name, "direction") != 0)
        return err_set(err,
                       "%.64s: there is no such parameter; expected direction, destination, "
                       "method, path, host, header, identity, source",
                       name);
    return true;
}

static bool read_query(struct admin_request *query, const struct workload *workload,
                       struct explain_request *request, struct err *err)
{
    const char *direction = admin_request_param(query, "direction");
    const char *destination = admin_request_param(query, "destination");
    const char *name, *value;
    if (direction && strcmp(direction, "inbound") != 0 && strcmp(direction, "outbound") != 0)
        return err_set(err, "direction: \"%.64s\" is neither inbound nor outbound", direction);
    request->is_inbound = direction && strcmp(direction, "inbound") == 0;
    if (!destination)
        return err_set(err, "destination: missing; try "
                            "/explain?destination=10.96.0.1:80&path=/&method=GET");
    if (!read_destination(request, workload, destination, err))
        return false;
    for (size_t i = 0; admin_request_query_at(query, i, &name, &value); i++) {
        const char *kept = arena_text(request->head->arena, slice_str(value));
        if (!kept)
            return err_set(err, "out of memory");
        if (!read_one(request, name, kept, err))
            return false;
    }
    return true;
}

/* What may be asked: for who came by the link of the front page. */
static void reply_usage(struct admin_request *query)
{
    admin_reply_text(
        query, HTTP_OK,
        "What would become of a request, step by step, and which object says so. Ask with\n"
        "  destination=ADDRESS:PORT   where it goes; inbound, the port is enough\n"
        "  direction=DIRECTION        outbound (the default) or inbound\n"
        "  method=GET path=/ host=NAME header=NAME:VALUE (again for every header)\n"
        "  identity=SPIFFE-ID source=ADDRESS   of the client, inbound\n"
        "for example /explain?destination=10.96.0.1:80&path=/&method=GET\n");
}

void page_explain(struct admin_request *query, void *context)
{
    const struct admin_sources *sources = context;
    const struct snapshot *snapshot = control_snapshot(sources->control);
    const char *name, *value;
    if (!admin_request_query_at(query, 0, &name, &value)) {
        reply_usage(query);
        return;
    }
    struct explain_request request = {0};
    struct arena arena;
    struct head head;
    struct err err;
    arena_init(&arena);
    head_init(&head, &arena);
    head.method = slice_str("GET");
    head.path = slice_str("/");
    head.version = HTTP_1_1;
    request.head = &head;
    if (read_query(query, snapshot->workload, &request, &err))
        admin_reply_json(query, explain(snapshot, &request));
    else
        admin_reply_text(query, HTTP_BADREQUEST, "%s", err.text);
    arena_fini(&arena);
}

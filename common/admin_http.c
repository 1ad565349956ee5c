#include "common/admin_http.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/admin_conn.h"
#include "common/admin_listener.h"
#include "common/html_text.h"
#include "common/log.h"

#define ADMIN_MAX_INDEX_BYTES 65536
#define PLAIN                 "text/plain; charset=utf-8"

const struct admin_limits admin_default_limits = {
    .connections = 64,
    .streams = 8,
    .head_bytes = 16 * 1024,
    .body_bytes = 64 * 1024,
    .stream_high_bytes = 256 * 1024,
    .head_ms = 5000,
    .body_ms = 10000,
    .idle_ms = 30000,
    .stall_ms = 30000,
};

struct admin_http {
    struct admin_conns conns; /* first: a request knows its server by them */
    struct admin_listener listener;
    const struct admin_page *pages;
    size_t n_pages;
    void *context;
};

/* HEAD is GET whose answer has no body: the connection leaves it out. */
static const char *method_name(const struct admin_request *request)
{
    struct slice method = request->head.method;
    if (slice_eq_str(method, "GET") || slice_eq_str(method, "HEAD"))
        return "GET";
    return slice_eq_str(method, "POST") ? "POST" : "another method";
}

/* "127.0.0.1:15000" -> "127.0.0.1", "[::1]" -> "::1", "localhost" -> "localhost". */
static struct slice host_without_port(struct slice host)
{
    if (host.len > 0 && host.ptr[0] == '[') {
        const char *end = memchr(host.ptr, ']', host.len);
        return end ? slice_of(host.ptr + 1, (size_t)(end - host.ptr) - 1) : host;
    }
    const char *colon = memrchr(host.ptr, ':', host.len);
    return colon ? slice_of(host.ptr, (size_t)(colon - host.ptr)) : host;
}

/*
 * A page in a browser can be made to ask us by a name of its own that resolves to 127.0.0.1; it
 * cannot choose the Host that is sent then. No Host at all is no browser.
 */
static bool host_is_ours(const struct admin_request *request)
{
    struct slice authority = request->head.authority;
    struct ip ip;
    if (authority.len == 0)
        return true;
    struct slice name = host_without_port(authority);
    return ip_parse(name, &ip) ||
           (name.len == strlen("localhost") && strncasecmp(name.ptr, "localhost", name.len) == 0);
}

/* Nor can it hide where it comes from when it posts to us by address. */
static bool origin_is_ours(const struct admin_request *request)
{
    const struct field *origin = head_find_name(&request->head, SLICE_LITERAL("origin"));
    struct slice host = request->head.authority;
    if (!origin)
        return true;
    const char *scheme_end = memmem(origin->value.ptr, origin->value.len, "://", 3);
    if (!scheme_end)
        return false;
    const char *end = origin->value.ptr + origin->value.len;
    struct slice from = slice_of(scheme_end + 3, (size_t)(end - scheme_end) - 3);
    return from.len > 0 && from.len == host.len && strncasecmp(from.ptr, host.ptr, host.len) == 0;
}

static bool peer_is_loopback(const struct admin_request *request)
{
    struct ip ip = addr_ip(&request->conn->peer);
    return ip_is_loopback(&ip);
}

static void reply(struct admin_request *request, int status, const char *content_type,
                  const char *allow, struct slice body)
{
    struct arena arena = {0};
    struct head head;
    if (!request->conn) {
        admin_request_free(request);
        return;
    }
    head_init(&head, &arena);
    head.status = (uint16_t)status;
    if (head_add_id(&head, FIELD_CONTENT_TYPE, slice_str(content_type)) &&
        head_add(&head, SLICE_LITERAL("x-content-type-options"), SLICE_LITERAL("nosniff")) &&
        head_add(&head, SLICE_LITERAL("cache-control"), SLICE_LITERAL("no-store")) &&
        (!allow || head_add(&head, SLICE_LITERAL("allow"), slice_str(allow))))
        admin_conn_answer(request->conn, &head, body);
    else
        admin_conn_refuse(request->conn, HTTP_SERVUNAVAIL, "out of memory");
    arena_fini(&arena);
}

void admin_reply(struct admin_request *request, int status, const char *content_type,
                 const char *body, size_t len)
{
    reply(request, status, content_type, NULL, slice_of(body, len));
}

/* The list of pages, for `/` and for whoever asks for what is not there. */
static void send_index(const struct admin_http *admin, struct admin_request *request, int status)
{
    struct buf text;
    buf_init(&text, ADMIN_MAX_INDEX_BYTES);
    bool has_all = buf_printf(&text, "%s", status == HTTP_OK ? "" : "no such page; there are:\n");
    for (size_t i = 0; i < admin->n_pages && has_all; i++)
        has_all = buf_printf(&text, "%-9s %-24s %s%s\n", admin->pages[i].methods,
                             admin->pages[i].path, admin->pages[i].help ? admin->pages[i].help : "",
                             admin->pages[i].is_public ? "" : " (from loopback only)");
    reply(request, has_all ? status : HTTP_INTERNAL, PLAIN, NULL, buf_slice(&text));
    buf_fini(&text);
}

static void send_bad_method(struct admin_request *request, const struct admin_page *page)
{
    static const struct {
        const char *methods, *allow;
    } allowed[] = {{"GET", "GET, HEAD"}, {"POST", "POST"}, {"GET POST", "GET, HEAD, POST"}};
    const char *allow = "";
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        if (strcmp(allowed[i].methods, page->methods) == 0)
            allow = allowed[i].allow;
    char line[64];
    int len = snprintf(line, sizeof(line), "this page takes %s only\n", page->methods);
    reply(request, HTTP_BADMETHOD, PLAIN, allow, slice_of(line, (size_t)len));
}

static void send_forbidden(struct admin_request *request, const char *line)
{
    reply(request, HTTP_FORBIDDEN, PLAIN, NULL, slice_str(line));
}

/* What cannot be read as parameters is none. */
static void parse_params(struct admin_request *request, struct slice query)
{
    const struct field *type = head_find(&request->head, FIELD_CONTENT_TYPE);
    const struct slice form = SLICE_LITERAL("application/x-www-form-urlencoded");
    bool is_form = type && type->value.len >= form.len &&
                   strncasecmp(type->value.ptr, form.ptr, form.len) == 0;
    if (!form_parse(&request->query, &request->arena, query) ||
        (is_form && !form_parse(&request->form, &request->arena, buf_slice(&request->body))))
        LOG(LOG_DEBUG, "admin_parameters_ignored", LOG_SL("path", request->head.path));
}

static const struct admin_page *page_find(const struct admin_http *admin, struct slice path,
                                          struct slice *rest)
{
    for (size_t i = 0; i < admin->n_pages; i++) {
        struct slice page = slice_str(admin->pages[i].path);
        bool is_folder = page.len > 1 && page.ptr[page.len - 1] == '/';
        *rest = slice_sub(path, page.len, path.len);
        if (is_folder ? slice_starts_with(path, page) : slice_eq(path, page))
            return &admin->pages[i];
    }
    return NULL;
}

static void on_request(struct admin_conns *conns, struct admin_request *request)
{
    struct admin_http *admin = LIST_ENTRY(conns, struct admin_http, conns);
    struct slice target = request->head.path;
    const char *mark = memchr(target.ptr ? target.ptr : "", '?', target.len);
    struct slice path = slice_sub(target, 0, mark ? (size_t)(mark - target.ptr) : target.len);
    const struct admin_page *page = page_find(admin, path, &request->rest);
    if (!page) {
        send_index(admin, request, slice_eq_str(path, "/") ? HTTP_OK : HTTP_NOTFOUND);
    } else if (!page->is_public && !peer_is_loopback(request)) {
        send_forbidden(request, "this page is for connections from loopback only\n");
    } else if (!page->is_public && !(host_is_ours(request) && origin_is_ours(request))) {
        send_forbidden(request,
                       "this page is asked for by address or as localhost, by no other site\n");
    } else if (!strstr(page->methods, method_name(request))) {
        /* The methods of a page are words of our own; none is part of another. */
        send_bad_method(request, page);
    } else {
        parse_params(request, slice_sub(target, path.len + 1, target.len));
        page->serve(request, admin->context);
    }
}

static void on_accept(void *owner, int fd, const struct sockaddr_any *peer)
{
    admin_conn_open(&((struct admin_http *)owner)->conns, fd, peer);
}

static bool on_shortage(void *owner)
{
    return admin_conns_make_room(&((struct admin_http *)owner)->conns);
}

static void on_closed(struct admin_conns *conns)
{
    admin_listener_room(&LIST_ENTRY(conns, struct admin_http, conns)->listener);
}

struct admin_http *admin_http_new(struct event_base *base, const struct sockaddr_any *address,
                                  const struct admin_page *pages, size_t n_pages, void *context,
                                  struct err *err)
{
    static const struct admin_listener_events events = {on_accept, on_shortage};
    struct admin_http *admin = calloc(1, sizeof(*admin));
    if (!admin) {
        err_set(err, "admin: out of memory");
        return NULL;
    }
    if (!admin_listener_open(&admin->listener, base, address, &events, admin, err)) {
        free(admin);
        return NULL;
    }
    admin_conns_init(&admin->conns, base, &admin_default_limits);
    admin->conns.on_request = on_request;
    admin->conns.on_closed = on_closed;
    admin->pages = pages;
    admin->n_pages = n_pages;
    admin->context = context;
    return admin;
}

void admin_http_set_limits(struct admin_http *admin, const struct admin_limits *limits)
{
    admin->conns.limits = limits;
}

void admin_http_use_tls(struct admin_http *admin, SSL *(*start)(void *context), void *context)
{
    admin->conns.start_tls = start;
    admin->conns.tls_context = context;
}

uint16_t admin_http_port(const struct admin_http *admin)
{
    return admin->listener.port;
}

const struct admin_counts *admin_http_counts(const struct admin_http *admin)
{
    return &admin->conns.counts;
}

void admin_http_free(struct admin_http *admin)
{
    if (!admin)
        return;
    admin_conns_fini(&admin->conns);
    admin_listener_close(&admin->listener);
    free(admin);
}

const struct admin_http *admin_request_server(const struct admin_request *request)
{
    return request->conn ? LIST_ENTRY(request->conn->conns, struct admin_http, conns) : NULL;
}

const char *admin_request_param(const struct admin_request *request, const char *name)
{
    const char *value = form_find(&request->query, name);
    return value ? value : form_find(&request->form, name);
}

bool admin_request_query_at(const struct admin_request *request, size_t at, const char **name,
                            const char **value)
{
    if (at >= request->query.n)
        return false;
    *name = request->query.params[at].name;
    *value = request->query.params[at].value;
    return true;
}

const char *admin_request_header(const struct admin_request *request, const char *name)
{
    const struct head *head = &request->head;
    const struct slice wanted = slice_str(name);
    if (strcasecmp(name, "host") == 0 && head->authority.len > 0)
        return arena_text(head->arena, head->authority);
    for (size_t i = 0; i < head->n_fields; i++)
        if (head->fields[i].name.len == wanted.len &&
            strncasecmp(head->fields[i].name.ptr, name, wanted.len) == 0)
            return arena_text(head->arena, head->fields[i].value);
    return NULL;
}

bool admin_request_field_at(const struct admin_request *request, size_t at, struct slice *name,
                            struct slice *value)
{
    if (at >= request->head.n_fields)
        return false;
    *name = request->head.fields[at].name;
    *value = request->head.fields[at].value;
    return true;
}

struct slice admin_request_rest(const struct admin_request *request)
{
    return request->rest;
}

struct slice admin_request_body(const struct admin_request *request)
{
    return buf_slice(&request->body);
}

bool admin_request_is_post(const struct admin_request *request)
{
    return slice_eq_str(request->head.method, "POST");
}

void admin_reply_text(struct admin_request *request, int status, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0) {
        admin_reply(request, HTTP_INTERNAL, "text/plain", "out of memory\n", 14);
        return;
    }
    text[len] = '\n'; /* in the place of the NUL: the body has a length */
    admin_reply(request, status, "text/plain; charset=utf-8", text, (size_t)len + 1);
    free(text);
}

void admin_reply_html(struct admin_request *request, struct slice html)
{
    const char *accept = admin_request_header(request, "Accept");
    struct buf text;
    if (accept && strstr(accept, "text/html")) {
        admin_reply(request, HTTP_OK, "text/html; charset=utf-8", html.ptr, html.len);
        return;
    }
    /* Only the spaces of aligned columns can make it longer than the markup was. */
    buf_init(&text, 2 * ADMIN_HTML_MAX_BYTES);
    if (html_text(&text, html)) {
        struct slice all = buf_slice(&text);
        admin_reply(request, HTTP_OK, "text/plain; charset=utf-8", all.ptr, all.len);
    } else {
        admin_reply_text(request, HTTP_INTERNAL, "out of memory");
    }
    buf_fini(&text);
}

void admin_reply_json(struct admin_request *request, struct json_t *json)
{
    char *text = json ? json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY) : NULL;
    json_decref(json);
    if (!text) {
        admin_reply_text(request, HTTP_INTERNAL, "out of memory");
        return;
    }
    size_t len = strlen(text);
    text[len] = '\n';
    admin_reply(request, HTTP_OK, "application/json", text, len + 1);
    free(text);
}

bool admin_reply_start(struct admin_request *request, const char *content_type,
                       void (*on_gone)(void *context), void *context)
{
    struct admin_conn *conn = request->conn;
    struct head head;
    if (!conn || slice_eq_str(request->head.method, "HEAD")) {
        admin_reply(request, HTTP_OK, content_type, "", 0);
        return false;
    }
    if (conn->conns->n_streams >= conn->conns->limits->streams) {
        conn->conns->counts.n_streams_refused++;
        admin_reply_text(request, HTTP_SERVUNAVAIL, "as many of these are open as may be");
        return false;
    }
    head_init(&head, &request->arena);
    head.status = HTTP_OK;
    if (!head_add_id(&head, FIELD_CONTENT_TYPE, slice_str(content_type)) ||
        !head_add(&head, SLICE_LITERAL("cache-control"), SLICE_LITERAL("no-store")) ||
        !admin_conn_stream_start(conn, &head)) {
        admin_conn_refuse(conn, HTTP_SERVUNAVAIL, "out of memory");
        return false;
    }
    request->on_gone = on_gone;
    request->on_gone_context = context;
    return true;
}

bool admin_reply_piece(struct admin_request *request, const char *bytes, size_t len)
{
    return admin_conn_stream_piece(request->conn, slice_of(bytes, len));
}

void admin_reply_end(struct admin_request *request)
{
    admin_conn_stream_end(request->conn);
}

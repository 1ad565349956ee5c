#include "common/admin_http.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/html_text.h"
#include "common/list.h"
#include "common/log.h"

#define ADMIN_BACKLOG         64
#define ADMIN_MAX_HEAD_BYTES  16384
#define ADMIN_MAX_BODY_BYTES  65536
#define ADMIN_MAX_INDEX_BYTES 65536
#define ADMIN_IDLE_SECONDS    30
#define ADMIN_ACCEPT_PAUSE_MS 250
/* Asked for by evhttp; what a page does not take is answered 405 by us. */
#define ADMIN_METHODS                                                                              \
    (EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |     \
     EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH)

struct admin_http {
    struct evhttp *http;
    struct evhttp_bound_socket *bound;
    struct event *accept_again;
    const struct admin_page *pages;
    size_t n_pages;
    void *context;
    uint16_t port;
    struct list unanswered; /* of struct admin_request */
};

struct admin_request {
    struct list node;
    struct evhttp_request *http; /* NULL when the server has gone before the answer */
    struct evkeyvalq query;
    struct evkeyvalq form;
};

static const char *method_name(struct evhttp_request *http)
{
    switch (evhttp_request_get_command(http)) {
    case EVHTTP_REQ_GET:
    case EVHTTP_REQ_HEAD: /* evhttp leaves the body out */
        return "GET";
    case EVHTTP_REQ_POST:
        return "POST";
    default:
        return "another method";
    }
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
static bool host_is_ours(struct evhttp_request *http)
{
    const char *host = evhttp_find_header(evhttp_request_get_input_headers(http), "Host");
    if (!host)
        return true;
    struct slice name = host_without_port(slice_str(host));
    struct ip ip;
    return (name.len == strlen("localhost") && strncasecmp(name.ptr, "localhost", name.len) == 0) ||
           ip_parse(name, &ip);
}

/* Nor can it hide where it comes from when it posts to us by address. */
static bool origin_is_ours(struct evhttp_request *http)
{
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(http);
    const char *origin = evhttp_find_header(headers, "Origin");
    const char *host = evhttp_find_header(headers, "Host");
    if (!origin)
        return true;
    const char *after_scheme = strstr(origin, "://");
    return after_scheme && host && strcasecmp(after_scheme + 3, host) == 0;
}

static bool peer_is_loopback(struct evhttp_request *http)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(http);
    const struct sockaddr *sa = connection ? evhttp_connection_get_addr(connection) : NULL;
    struct sockaddr_any addr = {.len = 0};
    if (!sa)
        return false;
    if (sa->sa_family == AF_INET)
        memcpy(&addr.in, sa, addr.len = sizeof(addr.in));
    else if (sa->sa_family == AF_INET6)
        memcpy(&addr.in6, sa, addr.len = sizeof(addr.in6));
    else
        return false;
    struct ip ip = addr_ip(&addr);
    return ip_is_loopback(&ip);
}

static void send_answer(struct evhttp_request *http, int status, const char *content_type,
                        const char *body, size_t len)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(http);
    struct evbuffer *out = evbuffer_new();
    bool has_all = out && evhttp_add_header(headers, "Content-Type", content_type) == 0 &&
                   evhttp_add_header(headers, "X-Content-Type-Options", "nosniff") == 0 &&
                   evhttp_add_header(headers, "Cache-Control", "no-store") == 0;
    if (has_all && evhttp_request_get_command(http) == EVHTTP_REQ_HEAD) {
        char length[24];
        snprintf(length, sizeof(length), "%zu", len);
        has_all = evhttp_add_header(headers, "Content-Length", length) == 0;
    } else if (has_all) {
        has_all = evbuffer_add(out, body, len) == 0;
    }
    if (has_all)
        evhttp_send_reply(http, status, NULL, out);
    else
        evhttp_send_error(http, HTTP_INTERNAL, NULL);
    if (out)
        evbuffer_free(out);
}

/* The list of pages, for `/` and for whoever asks for what is not there. */
static void send_index(const struct admin_http *admin, struct evhttp_request *http, int status)
{
    struct buf text;
    buf_init(&text, ADMIN_MAX_INDEX_BYTES);
    bool has_all = buf_printf(&text, "%s", status == HTTP_OK ? "" : "no such page; there are:\n");
    for (size_t i = 0; i < admin->n_pages && has_all; i++)
        has_all = buf_printf(&text, "%-9s %-24s %s%s\n", admin->pages[i].methods,
                             admin->pages[i].path, admin->pages[i].help ? admin->pages[i].help : "",
                             admin->pages[i].is_public ? "" : " (from loopback only)");
    struct slice all = buf_slice(&text);
    send_answer(http, has_all ? status : HTTP_INTERNAL, "text/plain; charset=utf-8", all.ptr,
                all.len);
    buf_fini(&text);
}

static void send_line(struct evhttp_request *http, int status, const char *line)
{
    send_answer(http, status, "text/plain; charset=utf-8", line, strlen(line));
}

static void send_bad_method(struct evhttp_request *http, const struct admin_page *page)
{
    char line[64];
    evhttp_add_header(evhttp_request_get_output_headers(http), "Allow", page->methods);
    snprintf(line, sizeof(line), "this page takes %s only\n", page->methods);
    send_line(http, HTTP_BADMETHOD, line);
}

static void request_free(struct admin_request *request)
{
    list_remove(&request->node);
    evhttp_clear_headers(&request->query);
    evhttp_clear_headers(&request->form);
    free(request);
}

/* TAILQ_INIT; sys/queue.h would bring other LIST_ macros than ours. */
static void params_init(struct evkeyvalq *params)
{
    params->tqh_first = NULL;
    params->tqh_last = &params->tqh_first;
}

static void parse_params(struct admin_request *request)
{
    struct evhttp_request *http = request->http;
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(http));
    if (query && evhttp_parse_query_str(query, &request->query) < 0)
        evhttp_clear_headers(&request->query);
    const char *type = evhttp_find_header(evhttp_request_get_input_headers(http), "Content-Type");
    struct evbuffer *body = evhttp_request_get_input_buffer(http);
    if (!type || strncasecmp(type, "application/x-www-form-urlencoded", 33) != 0 ||
        evbuffer_get_length(body) == 0 || evbuffer_add(body, "", 1) < 0)
        return;
    const char *text = (const char *)evbuffer_pullup(body, -1);
    if (!text || evhttp_parse_query_str(text, &request->form) < 0)
        evhttp_clear_headers(&request->form);
}

static void serve_page(struct admin_http *admin, const struct admin_page *page,
                       struct evhttp_request *http)
{
    struct admin_request *request = calloc(1, sizeof(*request));
    if (!request) {
        evhttp_send_error(http, HTTP_SERVUNAVAIL, NULL);
        return;
    }
    request->http = http;
    params_init(&request->query);
    params_init(&request->form);
    list_append(&admin->unanswered, &request->node);
    parse_params(request);
    page->serve(request, admin->context);
}

static const struct admin_page *page_find(const struct admin_http *admin, const char *path)
{
    for (size_t i = 0; path && i < admin->n_pages; i++)
        if (strcmp(admin->pages[i].path, path) == 0)
            return &admin->pages[i];
    return NULL;
}

static void on_request(struct evhttp_request *http, void *arg)
{
    struct admin_http *admin = arg;
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(http));
    const struct admin_page *page = page_find(admin, path);
    if (!page) {
        send_index(admin, http, path && strcmp(path, "/") == 0 ? HTTP_OK : HTTP_NOTFOUND);
        return;
    }
    if (!page->is_public && !peer_is_loopback(http)) {
        send_line(http, 403, "this page is for connections from loopback only\n");
        return;
    }
    if (!page->is_public && !(host_is_ours(http) && origin_is_ours(http))) {
        send_line(http, 403,
                  "this page is asked for by address or as localhost, by no other site\n");
        return;
    }
    /* The methods of a page are words of our own; none is part of another. */
    if (!strstr(page->methods, method_name(http))) {
        send_bad_method(http, page);
        return;
    }
    serve_page(admin, page, http);
}

/* Out of descriptors, most likely: without a pause the listener would spin. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct admin_http *admin = arg;
    struct timeval pause = clock_timeval_ms(ADMIN_ACCEPT_PAUSE_MS);
    LOG_LIMITED(LOG_WARN, "admin_accept_failed", LOG_S("error", strerror(errno)));
    evconnlistener_disable(listener);
    if (event_add(admin->accept_again, &pause) < 0)
        evconnlistener_enable(listener);
}

static void on_accept_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct admin_http *admin = arg;
    evconnlistener_enable(evhttp_bound_socket_get_listener(admin->bound));
}

/* A listening socket, or -1 with `err` filled; `port` receives what it got. */
static int listen_at(const struct sockaddr_any *address, uint16_t *port, struct err *err)
{
    char text[ADDR_TEXT_BYTES];
    struct sockaddr_any bound = {.len = sizeof(bound.in6)};
    int one = 1;
    int fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, &address->sa, address->len) < 0 || listen(fd, ADMIN_BACKLOG) < 0 ||
        getsockname(fd, &bound.sa, &bound.len) < 0) {
        err_set_errno(err, errno, "admin: listen at %s", addr_format(address, text));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *port = addr_port(&bound);
    return fd;
}

static bool admin_start(struct admin_http *admin, struct event_base *base,
                        const struct sockaddr_any *address, struct err *err)
{
    admin->http = evhttp_new(base);
    admin->accept_again = evtimer_new(base, on_accept_again, admin);
    if (!admin->http || !admin->accept_again)
        return err_set(err, "admin: out of memory");
    evhttp_set_gencb(admin->http, on_request, admin);
    evhttp_set_allowed_methods(admin->http, ADMIN_METHODS);
    evhttp_set_max_headers_size(admin->http, ADMIN_MAX_HEAD_BYTES);
    evhttp_set_max_body_size(admin->http, ADMIN_MAX_BODY_BYTES);
    evhttp_set_timeout(admin->http, ADMIN_IDLE_SECONDS);
    int fd = listen_at(address, &admin->port, err);
    if (fd < 0)
        return false;
    admin->bound = evhttp_accept_socket_with_handle(admin->http, fd);
    if (!admin->bound) {
        close(fd);
        return err_set(err, "admin: cannot watch the listening socket");
    }
    struct evconnlistener *listener = evhttp_bound_socket_get_listener(admin->bound);
    evconnlistener_set_error_cb(listener, on_accept_error);
    return true;
}

struct admin_http *admin_http_new(struct event_base *base, const struct sockaddr_any *address,
                                  const struct admin_page *pages, size_t n_pages, void *context,
                                  struct err *err)
{
    struct admin_http *admin = calloc(1, sizeof(*admin));
    if (!admin) {
        err_set(err, "admin: out of memory");
        return NULL;
    }
    admin->pages = pages;
    admin->n_pages = n_pages;
    admin->context = context;
    list_init(&admin->unanswered);
    if (!admin_start(admin, base, address, err)) {
        admin_http_free(admin);
        return NULL;
    }
    return admin;
}

uint16_t admin_http_port(const struct admin_http *admin)
{
    return admin->port;
}

void admin_http_free(struct admin_http *admin)
{
    if (!admin)
        return;
    /* evhttp frees its requests; who still owes an answer to one answers nobody from now on. */
    LIST_EACH(node, &admin->unanswered) {
        LIST_ENTRY(node, struct admin_request, node)->http = NULL;
        list_remove(node);
    }
    if (admin->http)
        evhttp_free(admin->http);
    if (admin->accept_again)
        event_free(admin->accept_again);
    free(admin);
}

const char *admin_request_param(const struct admin_request *request, const char *name)
{
    const char *value = evhttp_find_header(&request->query, name);
    return value ? value : evhttp_find_header(&request->form, name);
}

const char *admin_request_header(const struct admin_request *request, const char *name)
{
    if (!request->http)
        return NULL;
    return evhttp_find_header(evhttp_request_get_input_headers(request->http), name);
}

bool admin_request_is_post(const struct admin_request *request)
{
    return request->http && evhttp_request_get_command(request->http) == EVHTTP_REQ_POST;
}

void admin_reply(struct admin_request *request, int status, const char *content_type,
                 const char *body, size_t len)
{
    if (request->http)
        send_answer(request->http, status, content_type, body, len);
    request_free(request);
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

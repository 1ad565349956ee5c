/*
 * A small HTTP/1.1 server for the admin ports, over libevent's evhttp. Pages marked as public are
 * for anyone; every other is answered 403 unless the peer's address is a loopback address. A
 * request whose Host is a name other than localhost is refused too (DNS rebinding).
 */
#ifndef OUTRIGGER_COMMON_ADMIN_HTTP_H
#define OUTRIGGER_COMMON_ADMIN_HTTP_H

#include <event2/event.h>
#include <event2/http.h>
#include <stdint.h>

#include "common/cidr.h"
#include "common/err.h"

struct admin_http;
struct admin_request; /* one request being answered */

struct admin_page {
    const char *path;
    const char *methods; /* "GET", "POST", "GET POST"; others get 405 with Allow */
    bool is_public;
    const char *help; /* one line for `/` */
    void (*serve)(struct admin_request *request, void *context);
};

/* Pages and context must outlive the server. Unknown paths get 404 with the list of pages,
 * `/` the list alone unless it is a page. */
struct admin_http *admin_http_new(struct event_base *base, const struct sockaddr_any *listen,
                                  const struct admin_page *pages, size_t n_pages, void *context,
                                  struct err *err);
uint16_t admin_http_port(const struct admin_http *admin);
void admin_http_free(struct admin_http *admin);

/* A query parameter or field of a form body, or NULL. Good until the answer is sent. */
const char *admin_request_param(const struct admin_request *request, const char *name);
/* A header field of the request, or NULL. Good until the answer is sent. */
const char *admin_request_header(const struct admin_request *request, const char *name);
bool admin_request_is_post(const struct admin_request *request);

/* Answers, now or later (an unanswered request is owed an answer; it survives the client's going).
 */
void admin_reply(struct admin_request *request, int status, const char *content_type,
                 const char *body, size_t len);
/* One line of text/plain and a newline. */
void admin_reply_text(struct admin_request *request, int status, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* A page for people, of at most ADMIN_HTML_MAX_BYTES: as text (common/html_text.h) for who does not
 * say that it takes HTML: curl, not a browser. */
#define ADMIN_HTML_MAX_BYTES (4u << 20)
void admin_reply_html(struct admin_request *request, struct slice html);
struct json_t;
/* Pretty JSON; takes over the caller's reference. NULL is answered with 500. */
void admin_reply_json(struct admin_request *request, struct json_t *json);

#endif

/*
 * A small HTTP/1.1 server for the admin ports. Pages marked as public are for anyone; every other
 * is answered 403 unless the peer's address is a loopback address. A request whose Host is a name
 * other than localhost is refused too (DNS rebinding).
 *
 * Whoever can reach the port cannot keep others from it: there is a ceiling on connections, and at
 * the ceiling who has waited longest without a complete request makes room for a newcomer, so that
 * a probe, which asks at once, always gets its answer.
 */
#ifndef OUTRIGGER_COMMON_ADMIN_HTTP_H
#define OUTRIGGER_COMMON_ADMIN_HTTP_H

#include <event2/event.h>
#include <stdint.h>

#include "common/cidr.h"
#include "common/err.h"

/* What pages answer with. */
enum {
    HTTP_OK = 200,
    HTTP_BADREQUEST = 400,
    HTTP_FORBIDDEN = 403,
    HTTP_NOTFOUND = 404,
    HTTP_BADMETHOD = 405,
    HTTP_INTERNAL = 500,
    HTTP_SERVUNAVAIL = 503,
};

struct admin_http;
struct admin_request; /* one request being answered */

struct admin_page {
    const char *path;    /* "/x/" stands for all that is below it */
    const char *methods; /* "GET", "POST", "GET POST"; others get 405 with Allow */
    bool is_public;
    const char *help; /* one line for `/` */
    void (*serve)(struct admin_request *request, void *context);
};

struct admin_limits {
    size_t connections;       /* open at once; 64 */
    size_t streams;           /* of these, answers without end; 8 */
    size_t head_bytes;        /* of a request; 16 KiB */
    size_t body_bytes;        /* 64 KiB */
    size_t stream_high_bytes; /* on its way to a client that is not fast enough; 256 KiB */
    uint64_t head_ms;         /* until a head is complete; 5 s */
    uint64_t body_ms;         /* until the body is, from then; 10 s */
    uint64_t idle_ms;         /* between two requests; 30 s */
    uint64_t stall_ms;        /* without any of an answer being taken; 30 s */
};
extern const struct admin_limits admin_default_limits;

/* Why the server ends a connection of its own accord: suffix, the word for /metrics. */
#define ADMIN_CLOSINGS(X)                                                                          \
    X(evicted, "evicted")     /* for a newcomer, at the ceiling */                                 \
    X(refused, "full")        /* a newcomer: nobody could be closed for it, or memory was short */ \
    X(timed_out, "timeout")   /* head or body was not complete in time */                          \
    X(malformed, "malformed") /* or too large */                                                   \
    X(stalled, "stalled")     /* did not take the answer */                                        \
    X(unanswered, "too_large") /* the answers that wait would be too much memory */

struct admin_counts {
#define X(suffix, reason) uint64_t n_##suffix;
    ADMIN_CLOSINGS(X)
#undef X
    uint64_t n_accepted, n_requests;
    uint64_t n_streams_refused; /* answers without end, beyond the ceiling: 503 */
    uint64_t n_open;            /* connections now */
};

/* Pages and context must outlive the server. Unknown paths get 404 with the list of pages,
 * `/` the list alone unless it is a page. */
struct admin_http *admin_http_new(struct event_base *base, const struct sockaddr_any *listen,
                                  const struct admin_page *pages, size_t n_pages, void *context,
                                  struct err *err);
/* From now on. `limits` must outlive the server. */
void admin_http_set_limits(struct admin_http *admin, const struct admin_limits *limits);
/* From the next connection on TLS is spoken: `start` gives a new SSL that nothing is tied to yet,
 * or NULL to close the connection. `struct ssl_st` is OpenSSL's SSL. */
struct ssl_st;
void admin_http_use_tls(struct admin_http *admin, struct ssl_st *(*start)(void *context),
                        void *context);
uint16_t admin_http_port(const struct admin_http *admin);
const struct admin_counts *admin_http_counts(const struct admin_http *admin);
void admin_http_free(struct admin_http *admin);

/* The server that a request came to; NULL when the client or the server has gone, never while the
 * page is being called. */
const struct admin_http *admin_request_server(const struct admin_request *request);

/* A query parameter or field of a form body, or NULL. Good until the answer is sent. */
const char *admin_request_param(const struct admin_request *request, const char *name);
/* The query's parameters, in order, one after the other from 0. False: there are no more. */
bool admin_request_query_at(const struct admin_request *request, size_t at, const char **name,
                            const char **value);
/* A header field of the request by its name in any case, or NULL. Good until the answer is sent. */
const char *admin_request_header(const struct admin_request *request, const char *name);
/* The fields in order, one after the other from 0; as they came. False: there are no more. */
bool admin_request_field_at(const struct admin_request *request, size_t at, struct slice *name,
                            struct slice *value);
/* What follows a page's path that ends with a slash. Good until the answer is sent. */
struct slice admin_request_rest(const struct admin_request *request);
/* As it came, without the transfer coding. Good until the answer is sent. */
struct slice admin_request_body(const struct admin_request *request);
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

/*
 * An answer without end. False: it was answered otherwise (HEAD, too many streams, memory), and the
 * request is not to be used any more. True: pieces may be given, now and later, until
 * admin_reply_end(), or until on_gone(context) is called: the client or the server has gone, and
 * the request is not to be used in it or after it. on_gone never comes from inside another call.
 */
bool admin_reply_start(struct admin_request *request, const char *content_type,
                       void (*on_gone)(void *context), void *context) MUST_USE;
/* Takes a copy. False: not taken, as the client is not fast enough (or has gone): it may be given
 * again later, or left out and counted. */
bool admin_reply_piece(struct admin_request *request, const char *bytes, size_t len) MUST_USE;
void admin_reply_end(struct admin_request *request); /* on_gone will not be called */

#endif

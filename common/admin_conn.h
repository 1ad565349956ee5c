/*
 * The connections of an admin port: requests come in, one at a time, and answers go out. A ceiling
 * on how many there are, on how long each may take, and on what is kept for it. Used by
 * admin_http.c, which knows pages.
 */
#ifndef OUTRIGGER_COMMON_ADMIN_CONN_H
#define OUTRIGGER_COMMON_ADMIN_CONN_H

#include <openssl/ssl.h>
#include <sys/types.h>

#include "common/admin_http.h"
#include "common/admin_trim.h"
#include "common/buf.h"
#include "common/form.h"
#include "common/http/h1_parse.h"
#include "common/list.h"

/*
 * What a connection is doing: state, is it still to bring a complete request (then a newcomer may
 * take its place), is its socket read.
 */
#define ADMIN_STATES(X)                                                                            \
    X(IDLE, true, true) /* between two requests */                                                 \
    X(HEAD, true, true)                                                                            \
    X(BODY, true, true)                                                                            \
    X(TRAILERS, true, true)                                                                        \
    X(PAGE, false, false)     /* a page owes an answer */                                          \
    X(WRITING, false, false)  /* an answer is on its way */                                        \
    X(STREAMING, false, true) /* one without end is; read to see the client's going */             \
    X(LINGERING, true, true)  /* all is said: what still comes is dropped, so that it is heard */  \
    X(CLOSED, false, false)

enum admin_state {
#define X(suffix, is_waiting, is_read) ADMIN_##suffix,
    ADMIN_STATES(X)
#undef X
};

struct admin_conn;

/* One request; also what pages know under this name. */
struct admin_request {
    struct admin_conn *conn; /* NULL once the client or the server has gone */
    struct arena arena;
    struct head head;
    struct h1_message message;
    struct buf body;
    struct form query, form;
    struct slice rest;              /* of the path, behind that of a page that stands for many */
    void (*on_gone)(void *context); /* of an answer without end */
    void *on_gone_context;
};

struct admin_conn {
    struct list node; /* of waiting, busy or dead */
    struct admin_conns *conns;
    struct event readable, writable, timer;
    int fd;
    SSL *ssl; /* NULL: plain */
    struct sockaddr_any peer;
    enum admin_state state;
    bool is_last;      /* no request after this answer */
    bool is_advancing; /* admin_conn_advance() is below us on the stack */
    struct buf in, out;
    size_t seen; /* of `in`, by h1_head_end() */
    struct h1_body body;
    size_t n_dropped; /* bytes, while lingering */
    uint64_t writing_since_ns;
    struct admin_request *request;
};

struct admin_conns {
    struct event_base *base;
    struct event bury; /* made active when there is somebody in `dead` */
    const struct admin_limits *limits;
    struct list waiting; /* the longest without a complete request first */
    struct list busy, dead;
    size_t n_streams;
    struct admin_counts counts; /* n_open among them */
    struct admin_trim trim;
    /* A request is complete; it is answered now or later by admin_conn_answer(), or streamed. */
    void (*on_request)(struct admin_conns *conns, struct admin_request *request);
    void (*on_closed)(struct admin_conns *conns); /* a descriptor came back */
    SSL *(*start_tls)(void *context); /* as admin_http_use_tls() was told; NULL: plain */
    void *tls_context;
};

void admin_conns_init(struct admin_conns *conns, struct event_base *base,
                      const struct admin_limits *limits);
/* Closes all; who owes an answer answers nobody from now on, who streams is told at once. */
void admin_conns_fini(struct admin_conns *conns);

/* Takes over `fd`. It may be closed at once, or another for it. */
void admin_conn_open(struct admin_conns *conns, int fd, const struct sockaddr_any *peer);
/* Closes who has waited longest without a complete request, or else who has been taking an answer
 * for more than 5 s. False: there is neither. */
bool admin_conns_make_room(struct admin_conns *conns);

/*
 * Answers conn->request, or what came instead of one, and lets it go: the request is not to be used
 * after it, the connection not to be relied on. `head` has status and fields.
 */
void admin_conn_answer(struct admin_conn *conn, struct head *head, struct slice body);

/* An answer without end, until admin_conn_stream_end() or the client goes. */
bool admin_conn_stream_start(struct admin_conn *conn, struct head *head);
/* False: it was not taken, because much that was is still on its way, or because nobody is there.
 */
bool admin_conn_stream_piece(struct admin_conn *conn, struct slice piece);
void admin_conn_stream_end(struct admin_conn *conn);

void admin_request_free(struct admin_request *request);

/* ---- between admin_conn.c, admin_conn_io.c and admin_conn_write.c ---- */

/* The socket, plain or in TLS. False: no memory. */
bool admin_conn_io_open(struct admin_conn *conn) MUST_USE;
void admin_conn_io_close(struct admin_conn *conn);
/* As recv(2) and send(2), errno included. */
ssize_t admin_conn_recv(struct admin_conn *conn, void *bytes, size_t size);
ssize_t admin_conn_send(struct admin_conn *conn, struct slice bytes);
/* All is said. False: the connection is of no more use. */
bool admin_conn_send_end(struct admin_conn *conn) MUST_USE;
/* Makes the socket readable once more when bytes were taken from it that nobody has read. */
void admin_conn_wake(struct admin_conn *conn);

void admin_conn_set_state(struct admin_conn *conn, enum admin_state state);
void admin_conn_set_timer(struct admin_conn *conn, uint64_t ms); /* 0: none */
/* Freed in the next turn of the loop; may be called twice. */
void admin_conn_close(struct admin_conn *conn);
/* Goes on reading requests from what has come, after an answer was written. */
void admin_conn_advance(struct admin_conn *conn);
void admin_conn_on_writable(evutil_socket_t fd, short what, void *conn);
/* One line of text in the place of a page's answer; the last of this connection. */
void admin_conn_refuse(struct admin_conn *conn, int status, const char *line);
/* 100 (Continue): the client waits for it before it sends the body. */
void admin_conn_continue(struct admin_conn *conn);

#endif

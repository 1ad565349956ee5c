/*
 * The corridor for HTTP: one request, what is decided about it step by step, and the relay of its
 * messages until the answer has ended. The steps are a table in request.c.
 */
#ifndef OUTRIGGER_PROXY_REQUEST_H
#define OUTRIGGER_PROXY_REQUEST_H

#include "proxy/downstream.h"

/* A request has come on `downstream`: takes over the stream. `head` is the stream's. */
void request_begin(struct downstream *downstream, struct stream *stream, struct head *head,
                   bool is_end);

/* Gives up all copies of requests that are on their way. */
void request_mirror_end_all(struct workspace *workspace);

/* Frees the structs that wait to be used again. */
void request_free_idle(struct workspace *workspace);

struct json_t;
/* `node` is of downstream->requests. For /connections; a new reference, or NULL. */
struct json_t *request_describe(const struct list *node, uint64_t now_ns);

#endif

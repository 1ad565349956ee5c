/*
 * The server's side of HTTP/2; h2_server_new() is in codec.h.
 */
#ifndef OUTRIGGER_PROXY_CODEC_H2_SERVER_H
#define OUTRIGGER_PROXY_CODEC_H2_SERVER_H

#include "proxy/codec/h2_session.h"

/* Inside: a request begins; may one more be worked on? NULL: it was refused, or memory is short. */
struct h2_stream *h2_server_begin(struct h2_session *session, int32_t id);

/* Inside: its head is complete: tells on_request. */
void h2_server_head(struct h2_stream *stream, struct head *head, bool is_end);

/* Inside: its head was beyond the limits: answers 431. */
void h2_server_refuse_head(struct h2_stream *stream);

#endif

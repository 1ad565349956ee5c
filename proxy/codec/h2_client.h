/*
 * The client's side of HTTP/2; h2_client_new() is in codec.h.
 */
#ifndef OUTRIGGER_PROXY_CODEC_H2_CLIENT_H
#define OUTRIGGER_PROXY_CODEC_H2_CLIENT_H

#include "proxy/codec/h2_session.h"

/* Inside: the head of an answer is complete, 1xx or final; tells on_head. */
void h2_client_head(struct h2_stream *stream, struct head *head, bool is_end);

#endif

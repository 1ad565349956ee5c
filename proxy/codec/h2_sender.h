/*
 * What a stream of HTTP/2 has to send after its head: data waits in the stream until nghttp2 has
 * window and turn for it, and goes from there into the connection's output; trailers come behind.
 */
#ifndef OUTRIGGER_PROXY_CODEC_H2_SENDER_H
#define OUTRIGGER_PROXY_CODEC_H2_SENDER_H

#include "proxy/codec/h2_stream.h"

/* Operations of a stream. */
bool h2_sender_data(struct stream *stream, struct slice data, bool is_end);
bool h2_sender_trailers(struct stream *stream, const struct head *trailers);

/* What nghttp2 asks for when it makes DATA. */
nghttp2_data_provider h2_sender_source(struct h2_stream *stream);
/* Inside: `len` bytes of the frame that the source announced, behind its header. */
int h2_sender_frame(struct h2_stream *stream, const uint8_t *header, size_t len);

#endif

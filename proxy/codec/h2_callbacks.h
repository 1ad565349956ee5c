/*
 * The half of a session that nghttp2 calls: frames in, frames out, and what they cost the peer.
 */
#ifndef OUTRIGGER_PROXY_CODEC_H2_CALLBACKS_H
#define OUTRIGGER_PROXY_CODEC_H2_CALLBACKS_H

#include "proxy/codec/h2_session.h"

/* Opaque data of the PING whose answer tells that the peer has seen our first GOAWAY. */
extern const uint8_t h2_drain_ping[8];

/* Makes session->h2. False when memory is short. */
bool h2_callbacks_start(struct h2_session *session) MUST_USE;

#endif

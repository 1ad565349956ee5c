/*
 * The half of a session that nghttp2 calls back: it takes notes on the session and its pipes.
 */
#ifndef OUTRIGGER_COMMON_GRPC_SESSION_H2_H
#define OUTRIGGER_COMMON_GRPC_SESSION_H2_H

#include "common/grpc/session.h"

/* Makes session->h2 and queues the SETTINGS. */
bool grpc_session_h2_start(struct grpc_session *session, struct err *err) MUST_USE;

/* GOAWAY with ENHANCE_YOUR_CALM: the peer wastes our time. */
void grpc_session_h2_calm(struct grpc_session *session, const char *reason);

#endif

/*
 * What an HTTP/2 connection is not waited for longer: SETTINGS, the rest of a header block, a
 * window that stays shut, a socket that takes nothing, the next request, the end. One coarse timer
 * looks around; nothing is set or cancelled with a request.
 */
#ifndef OUTRIGGER_PROXY_CODEC_H2_TIMES_H
#define OUTRIGGER_PROXY_CODEC_H2_TIMES_H

#include "proxy/codec/h2_session.h"

/* For the peer to read our last words. */
#define H2_LINGER_MS 1000

void h2_times_init(struct h2_session *session);

/* Something to wait for has begun, or nothing has: sets the timer. */
void h2_times_arm(struct h2_session *session);

/* What the state waits for, or the first step of a drain, comes within `ms` from now_ns. */
void h2_times_set_deadline(struct h2_session *session, uint64_t ms);

#endif

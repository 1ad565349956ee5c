/*
 * One question that is under way; between the files of this room.
 */
#ifndef OUTRIGGER_PROXY_PROBE_RUN_H
#define OUTRIGGER_PROXY_PROBE_RUN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/ssl.h>

#include "common/buf.h"
#include "common/grpc/client.h"
#include "common/list.h"
#include "proxy/probe/probes.h"

enum probe_state {
    PROBE_CONNECTING,
    PROBE_SENDING,
    PROBE_READING,
    PROBE_LINGERING, /* it is answered; the application may finish what it says */
    PROBE_ENDED,     /* freed in the next turn of the loop */
};

struct probe_run {
    struct list node;
    struct probes *probes;
    const struct probe_spec *spec;
    struct admin_request *request; /* NULL: it has been answered */
    enum probe_state state;
    struct event timer; /* the end of our patience, or of ourselves */
    /* http, https, tcp */
    int fd; /* -1: none */
    SSL *ssl;
    struct event readable, writable;
    struct buf in, out;
    size_t n_dropped;
    /* grpc */
    struct grpc_channel *channel;
    bool is_serving;
};

/* Each begins; what goes wrong is answered by probe_run_fail(). */
void probe_socket_start(struct probe_run *run, const struct sockaddr_any *address,
                        uint32_t socket_mark, SSL_CTX *tls);
void probe_grpc_start(struct probe_run *run, const struct sockaddr_any *address,
                      uint32_t socket_mark);
void probe_socket_fini(struct probe_run *run);

/* Answers, if that has not happened, and no more: then linger or end. */
void probe_run_answer(struct probe_run *run, bool is_good, const char *format, ...)
    PRINTF_LIKE(3, 4);
void probe_run_fail(struct probe_run *run, const char *format, ...) PRINTF_LIKE(2, 3);
void probe_run_end(struct probe_run *run);

#endif

/*
 * What the header fields of a response say (PROTOCOL-HTTP2.md, "Responses"). Pure but for memory.
 */
#ifndef OUTRIGGER_COMMON_GRPC_ANSWER_H
#define OUTRIGGER_COMMON_GRPC_ANSWER_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/grpc/status.h"
#include "common/slice.h"

struct grpc_answer {
    bool has_head;      /* one that is not 1xx was complete */
    unsigned http;      /* :status of the head; 0: none was seen */
    bool is_grpc;       /* by its content type */
    bool is_compressed; /* grpc-encoding is not identity */
    bool has_code;
    enum grpc_code code;
    struct buf message; /* decoded */
    struct buf details; /* decoded */
};

void grpc_answer_init(struct grpc_answer *answer);
void grpc_answer_fini(struct grpc_answer *answer);

/* One field, of head or trailers. False when memory is short or the value cannot be. */
bool grpc_answer_field(struct grpc_answer *answer, struct slice name, struct slice value) MUST_USE;

/* The block is complete. True if it is the head of the answer or its trailers, false for a 1xx. */
bool grpc_answer_block(struct grpc_answer *answer);

/* Is the body no sequence of gRPC messages? Then `err` says what came instead. */
bool grpc_answer_is_foreign(const struct grpc_answer *answer, struct err *err);

#endif

/*
 * A budget for frames that make no progress: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, RST_STREAM,
 * empty DATA, and streams that we have to reset because of what the peer sent
 * ("rapid reset", "made you reset" and the floods). Honest peers earn more than they spend. Pure.
 */
#ifndef OUTRIGGER_COMMON_GRPC_GLITCH_H
#define OUTRIGGER_COMMON_GRPC_GLITCH_H

#include <stdbool.h>
#include <stdint.h>

struct grpc_glitch {
    uint64_t budget;
    uint64_t refilled_ns;
};

void grpc_glitch_init(struct grpc_glitch *glitch, uint64_t now_ns);

/* Data moved, or a stream was opened. */
void grpc_glitch_earn(struct grpc_glitch *glitch, uint64_t amount);

/* False when the budget is spent. */
bool grpc_glitch_spend(struct grpc_glitch *glitch, uint64_t cost, uint64_t now_ns);

#endif

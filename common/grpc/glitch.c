#include "common/grpc/glitch.h"

#include "common/clock.h"

#define GLITCH_BUDGET     1000
#define GLITCH_PER_SECOND 50

void grpc_glitch_init(struct grpc_glitch *glitch, uint64_t now_ns)
{
    glitch->budget = GLITCH_BUDGET;
    glitch->refilled_ns = now_ns;
}

void grpc_glitch_earn(struct grpc_glitch *glitch, uint64_t amount)
{
    glitch->budget += amount;
    if (glitch->budget > GLITCH_BUDGET)
        glitch->budget = GLITCH_BUDGET;
}

bool grpc_glitch_spend(struct grpc_glitch *glitch, uint64_t cost, uint64_t now_ns)
{
    uint64_t earned = (now_ns - glitch->refilled_ns) / (NS_PER_SEC / GLITCH_PER_SECOND);
    if (earned > 0) {
        glitch->refilled_ns += earned * (NS_PER_SEC / GLITCH_PER_SECOND);
        glitch->budget += earned;
        if (glitch->budget > GLITCH_BUDGET)
            glitch->budget = GLITCH_BUDGET;
    }
    if (glitch->budget < cost)
        return false;
    glitch->budget -= cost;
    return true;
}

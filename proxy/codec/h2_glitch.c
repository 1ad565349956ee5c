#include "proxy/codec/h2_glitch.h"

#include "common/clock.h"

/* Two for a frame, because a receiver may return two windows for it; one for each KiB, because some
 * return them piece by piece. */
#define EARN_FRAME     2
#define BYTES_PER_EARN 1024

void h2_glitch_init(struct h2_glitch *glitch, uint32_t max, uint64_t now_ns)
{
    *glitch = (struct h2_glitch){.max = max ? max : 1, .leaked_ns = now_ns};
}

static void lower(struct h2_glitch *glitch, uint64_t amount)
{
    glitch->level = glitch->level > amount ? glitch->level - (uint32_t)amount : 0;
}

bool h2_glitch_spend(struct h2_glitch *glitch, uint32_t cost, uint64_t now_ns)
{
    uint64_t one_ns = 60 * NS_PER_SEC / glitch->max;
    uint64_t leaked = (now_ns - glitch->leaked_ns) / one_ns;
    glitch->leaked_ns += leaked * one_ns;
    lower(glitch, leaked);
    glitch->level += cost;
    return glitch->level <= glitch->max;
}

void h2_glitch_earn(struct h2_glitch *glitch, size_t bytes)
{
    if (glitch->level)
        lower(glitch, EARN_FRAME + bytes / BYTES_PER_EARN);
}

#include "proxy/balance/peak_ewma.h"

/* Half of what was learned is forgotten after 10 s * ln 2: a time constant of 10 s. */
#define HALF_LIFE_NS 6931471806ull

/* Halved for each half-life; between two halvings a straight line will do. */
uint64_t peak_ewma_now(const struct peak_ewma *estimate, uint64_t now_ns)
{
    uint64_t age = now_ns > estimate->updated_ns ? now_ns - estimate->updated_ns : 0;
    uint64_t halvings = age / HALF_LIFE_NS;
    if (halvings >= 63)
        return 0;
    uint64_t latency = estimate->latency_ns >> halvings;
    return latency -
           (uint64_t)((unsigned __int128)latency * (age % HALF_LIFE_NS) / (2 * HALF_LIFE_NS));
}

void peak_ewma_observe(struct peak_ewma *estimate, uint64_t latency_ns, uint64_t now_ns)
{
    uint64_t decayed = peak_ewma_now(estimate, now_ns);
    if (latency_ns < estimate->latency_ns && estimate->latency_ns > 0) {
        uint64_t forgotten = estimate->latency_ns - decayed;
        latency_ns =
            decayed + (uint64_t)((unsigned __int128)latency_ns * forgotten / estimate->latency_ns);
    }
    estimate->latency_ns = latency_ns ? latency_ns : 1;
    estimate->updated_ns = now_ns;
}

#include "proxy/detect/port_memory.h"

#include <stdatomic.h>

static uint16_t entry_port(uint64_t entry)
{
    return (uint16_t)entry;
}

void port_memory_note(struct port_memory *memory, uint16_t port, struct slice spoken,
                      int64_t now_sec)
{
    uint64_t entry = (uint64_t)now_sec << 16 | port;
    if (slice_starts_with(spoken, SLICE_LITERAL("HTTP/")))
        return;
    for (size_t i = 0; i < PORT_MEMORY_MAX; i++) {
        uint64_t found = 0;
        if (atomic_compare_exchange_strong(&memory->entries[i], &found, entry) ||
            entry_port(found) == port)
            return;
    }
}

bool port_memory_has(const struct port_memory *memory, uint16_t port)
{
    for (size_t i = 0; i < PORT_MEMORY_MAX; i++) {
        uint64_t entry = atomic_load_explicit(&memory->entries[i], memory_order_relaxed);
        if (entry == 0)
            return false;
        if (entry_port(entry) == port)
            return true;
    }
    return false;
}

size_t port_memory_list(const struct port_memory *memory, uint16_t ports[PORT_MEMORY_MAX],
                        int64_t since_sec[PORT_MEMORY_MAX])
{
    size_t n = 0;
    for (; n < PORT_MEMORY_MAX; n++) {
        uint64_t entry = atomic_load_explicit(&memory->entries[n], memory_order_relaxed);
        if (entry == 0)
            break;
        ports[n] = entry_port(entry);
        since_sec[n] = (int64_t)(entry >> 16);
    }
    return n;
}

/*
 * What the process uses, as the kernel and the allocator tell it.
 */
#ifndef OUTRIGGER_COMMON_USAGE_H
#define OUTRIGGER_COMMON_USAGE_H

#include <stddef.h>
#include <stdint.h>

struct usage {
    uint64_t resident_bytes, virtual_bytes;
    uint64_t heap_used_bytes, heap_free_bytes; /* of malloc; mapped blocks count as used */
    uint64_t descriptors, max_descriptors;     /* open now; the limit */
    double cpu_seconds;                        /* user and system, since the start */
};

/* A number that cannot be had is 0. Opens and closes a few files of /proc. */
struct usage usage_now(void);

/*
 * The memory that malloc keeps goes back to the kernel: what is free inside of all heaps, and at
 * the end of the main heap and of the calling thread's own (but for some 128 KiB). The end of
 * another thread's heap only that thread can give back.
 */
void usage_trim(void);

#endif

/*
 * Gives memory back after a crowd: who came by the dozen within a second leaves a heap behind that
 * the allocator would keep for ever.
 */
#ifndef OUTRIGGER_COMMON_ADMIN_TRIM_H
#define OUTRIGGER_COMMON_ADMIN_TRIM_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

#define ADMIN_TRIM_MIN_COMERS 64 /* in a second: fewer are not worth walking the heap for */

struct admin_trim {
    struct event quiet; /* pending while there is a crowd to wait for the end of */
    uint64_t second_began_ns;
    uint64_t n_now, n_most; /* who came in this second; in the worst since the last time */
    uint64_t n_trims;
};

void admin_trim_init(struct admin_trim *trim, struct event_base *base);
void admin_trim_fini(struct admin_trim *trim);
/* One more has come. Once in a crowd's wake, a second with an eighth of its worst: usage_trim(). */
void admin_trim_came(struct admin_trim *trim);

#endif

/*
 * Where libevent's smallest blocks live. For each descriptor that it ever watched libevent keeps a
 * record of 16 bytes until the loop is freed. Of the general heap each of these records would come
 * to lie between what belongs to connections, and after a crowd hold a page that is else free: some
 * 1.2 KiB for each connection of the worst moment, for ever. Here they lie side by side.
 */
#ifndef OUTRIGGER_COMMON_EVENT_CELLS_H
#define OUTRIGGER_COMMON_EVENT_CELLS_H

/*
 * For the whole process: after the number of descriptors was raised, before anything of libevent
 * allocates, before any thread is started. `loops`: how many event bases there will be. Takes 16
 * bytes of address space for each descriptor that may be open and each loop, and memory only for
 * what is used. What finds no room, and what is larger, is malloc's.
 */
void event_cells_use(unsigned loops);

#endif

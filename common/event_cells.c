#include "common/event_cells.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define CELL_BYTES 16 /* what malloc aligns to */
#define MAX_CELLS  (1u << 20)

union cell {
    union cell *next; /* while it is free */
    _Alignas(CELL_BYTES) char bytes[CELL_BYTES];
};

/*
 * Of the process and not of somebody's: libevent's memory functions get no context. The lock is
 * taken once for each descriptor number and loop, not for each connection.
 */
static struct {
    pthread_mutex_t lock;
    union cell *first, *end; /* the whole room, fixed when it was made */
    union cell *unused;      /* from here to `end` no cell was ever taken */
    union cell *free;
} cells = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_cell(const void *block)
{
    return (const union cell *)block >= cells.first && (const union cell *)block < cells.end;
}

/* NULL when all are taken. */
static void *cell_take(void)
{
    union cell *cell = NULL;
    pthread_mutex_lock(&cells.lock);
    if (cells.free) {
        cell = cells.free;
        cells.free = cell->next;
    } else if (cells.unused < cells.end) {
        cell = cells.unused++;
    }
    pthread_mutex_unlock(&cells.lock);
    return cell;
}

static void cell_give(union cell *cell)
{
    pthread_mutex_lock(&cells.lock);
    cell->next = cells.free;
    cells.free = cell;
    pthread_mutex_unlock(&cells.lock);
}

static void *on_malloc(size_t size)
{
    void *cell = size <= CELL_BYTES ? cell_take() : NULL;
    return cell ? cell : malloc(size);
}

static void on_free(void *block)
{
    if (is_cell(block))
        cell_give(block);
    else
        free(block);
}

static void *on_realloc(void *block, size_t size)
{
    if (!is_cell(block))
        return realloc(block, size);
    if (size <= CELL_BYTES)
        return block;
    void *larger = malloc(size);
    if (!larger)
        return NULL;
    memcpy(larger, block, CELL_BYTES);
    cell_give(block);
    return larger;
}

static size_t cells_wanted(unsigned loops)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > MAX_CELLS / loops)
        return MAX_CELLS;
    return (size_t)limit.rlim_cur * loops;
}

void event_cells_use(unsigned loops)
{
    size_t n = cells_wanted(loops);
    void *room = mmap(NULL, n * CELL_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return;                                     /* all is malloc's then */
    madvise(room, n * CELL_BYTES, MADV_NOHUGEPAGE); /* the first cell would else cost 2 MiB */
    cells.first = cells.unused = room;
    cells.end = cells.first + n;
    event_set_mem_functions(on_malloc, on_realloc, on_free);
}

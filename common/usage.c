#include "common/usage.h"

#include <dirent.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/*
 * malloc_trim() gives back what is free between used blocks, and the free end of the main heap; not
 * the end of another thread's heap, into which it may just have merged a crowd's worth of small
 * blocks. free() cuts that end, but only for a block of at least FASTBIN_CONSOLIDATION_THRESHOLD
 * (64 KiB; glibc, malloc.c, _int_free), which a quiet thread may never free again.
 */
#define END_CUT_BYTES (96 * 1024)

static void read_memory(struct usage *usage)
{
    FILE *file = fopen("/proc/self/statm", "re");
    uint64_t pages, resident, page = (uint64_t)sysconf(_SC_PAGESIZE);
    if (!file)
        return;
    if (fscanf(file, "%" SCNu64 " %" SCNu64, &pages, &resident) == 2) {
        usage->virtual_bytes = pages * page;
        usage->resident_bytes = resident * page;
    }
    fclose(file);
}

static void read_descriptors(struct usage *usage)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        usage->max_descriptors = limit.rlim_cur;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder));)
        usage->descriptors += entry->d_name[0] != '.';
    closedir(folder);
    usage->descriptors--; /* the folder itself was open while we counted */
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

struct usage usage_now(void)
{
    struct usage usage = {0};
    read_memory(&usage);
    read_descriptors(&usage);
    struct mallinfo2 heap = mallinfo2();
    usage.heap_used_bytes = heap.uordblks + heap.hblkhd;
    usage.heap_free_bytes = heap.fordblks;
    struct rusage resources;
    if (getrusage(RUSAGE_SELF, &resources) == 0)
        usage.cpu_seconds = seconds(resources.ru_utime) + seconds(resources.ru_stime);
    return usage;
}

void usage_trim(void)
{
    malloc_trim(0);
    /* Through volatile, or the compiler leaves out both calls. */
    void *volatile block = malloc(END_CUT_BYTES);
    free(block);
}

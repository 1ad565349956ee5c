#include "common/confine.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "common/log.h"

#define MMAP_THRESHOLD_BYTES (128 * 1024)

#if defined(__SANITIZE_ADDRESS__)
#define IS_LEAK_CHECKED 1 /* the leak checker looks at us as a debugger would */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_LEAK_CHECKED 1
#endif
#endif
#ifndef IS_LEAK_CHECKED
#define IS_LEAK_CHECKED 0
#endif

static void check(int result, const char *what)
{
    if (result != 0)
        LOG(LOG_WARN, "confine_failed", LOG_S("what", what), LOG_S("error", strerror(errno)));
}

static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    check(setrlimit(RLIMIT_NOFILE, &limit), "raise the number of descriptors");
}

void confine_process(unsigned threads)
{
    check(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}), "no core files");
    if (!IS_LEAK_CHECKED)
        check(prctl(PR_SET_DUMPABLE, 0), "not dumpable");
    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges");
    raise_descriptors();
    signal(SIGPIPE, SIG_IGN);
    /* An arena for each thread and no more; what is large goes back to the kernel when freed. */
    mallopt(M_ARENA_MAX, (int)threads);
    mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
}

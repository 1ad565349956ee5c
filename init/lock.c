#include "init/lock.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"

static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0outrigger-init"};
#define ADDRESS_LEN ((socklen_t)(offsetof(struct sockaddr_un, sun_path) + 15))

/* Whoever binds the name holds the lock, and listens, so that others can wait for its end. */
static int try_take(struct err *err)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        err_set_errno(err, errno, "lock: socket");
        return -1;
    }
    if (bind(fd, (const struct sockaddr *)&address, ADDRESS_LEN) == 0 && listen(fd, 64) == 0)
        return fd;
    int error = errno;
    close(fd);
    err_set_errno(err, error, "lock @outrigger-init");
    errno = error;
    return -1;
}

/* Connects to the holder, which never accepts; the connection ends when the holder does. */
static void wait_for_holder(int timeout_ms)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    if (fd < 0)
        return;
    /* Bounds connect() too, which waits when many wait already. */
    struct timeval timeout = clock_timeval_ms((uint64_t)timeout_ms);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (connect(fd, (const struct sockaddr *)&address, ADDRESS_LEN) == 0)
        poll(&ended, 1, timeout_ms);
    close(fd);
}

int lock_take(int timeout_ms, struct err *err)
{
    uint64_t deadline_ns = clock_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
    for (;;) {
        int fd = try_take(err);
        uint64_t now_ns = clock_now_ns();
        if (fd >= 0 || errno != EADDRINUSE || now_ns >= deadline_ns)
            return fd;
        wait_for_holder((int)((deadline_ns - now_ns) / NS_PER_MS) + 1);
    }
}

void lock_give(int fd)
{
    close(fd);
}

#include "proxy/accept/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#define BACKLOG          4096 /* cut by net.core.somaxconn */
#define ACCEPTS_A_WAKEUP 16   /* then other connections get their turn */
#define RETRY_MS         100

static int reserve_open(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void listener_pause(struct listener *listener)
{
    struct timeval retry = clock_timeval_ms(RETRY_MS);
    event_del(&listener->acceptable);
    event_add(&listener->retry, &retry);
    listener->is_paused = true;
    telemetry_add(listener->telemetry, COUNTER_ACCEPT_PAUSED, 1);
}

void listener_resume(struct listener *listener)
{
    if (!listener->is_paused || listener->fd < 0)
        return;
    if (listener->reserve_fd < 0)
        listener->reserve_fd = reserve_open();
    listener->is_paused = false;
    event_del(&listener->retry);
    event_add(&listener->acceptable, NULL);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    listener_resume(arg);
}

static void listener_shed(struct listener *listener, int error)
{
    bool is_memory = error == ENOBUFS || error == ENOMEM;
    LOG_LIMITED(LOG_ERROR, "accept_paused",
                LOG_S("reason", is_memory ? "no_memory" : "no_descriptors"));
    if (!is_memory && listener->reserve_fd >= 0) {
        close(listener->reserve_fd);
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            close(fd);
            telemetry_add(listener->telemetry, COUNTER_SHED_DESCRIPTORS, 1);
        }
        listener->reserve_fd = reserve_open();
    }
    listener_pause(listener);
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct listener *listener = arg;
    /* on_accept may close the listener */
    for (int i = 0; i < ACCEPTS_A_WAKEUP && listener->fd == fd; i++) {
        struct sockaddr_any peer = {.len = sizeof(peer.in6)};
        int accepted = accept4(fd, &peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted >= 0) {
            listener->on_accept(listener->context, accepted, &peer);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            listener_shed(listener, errno);
        else if (errno == ECONNABORTED || errno == EINTR)
            continue;
        return; /* EAGAIN, or an error of a connection that is gone (accept(2)) */
    }
}

static bool listener_set_options(int fd, int family)
{
    int one = 1;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0 &&
           (family == AF_INET || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) == 0);
}

bool listener_open(struct listener *listener, struct event_base *base,
                   const struct sockaddr_any *address, struct err *err)
{
    char text[ADDR_TEXT_BYTES];
    addr_format(address, text);
    int family = address->sa.sa_family;
    listener->is_paused = false;
    listener->reserve_fd = -1;
    listener->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0)
        return err_set_errno(err, errno, "listen on %s: socket", text);
    event_assign(&listener->acceptable, base, listener->fd, EV_READ | EV_PERSIST, on_acceptable,
                 listener);
    evtimer_assign(&listener->retry, base, on_retry, listener);
    if (!listener_set_options(listener->fd, family) ||
        bind(listener->fd, &address->sa, address->len) < 0 || listen(listener->fd, BACKLOG) < 0) {
        int error = errno;
        err_set_errno(err, error, "listen on %s", text);
        listener_close(listener);
        errno = error;
        return false;
    }
    listener->reserve_fd = reserve_open();
    if (listener->reserve_fd < 0 || event_add(&listener->acceptable, NULL) < 0) {
        err_set(err, "listen on %s: no descriptor or memory left", text);
        listener_close(listener);
        return false;
    }
    return true;
}

void listener_close(struct listener *listener)
{
    if (listener->fd < 0)
        return;
    event_del(&listener->acceptable);
    event_del(&listener->retry);
    close(listener->fd);
    if (listener->reserve_fd >= 0)
        close(listener->reserve_fd);
    listener->fd = listener->reserve_fd = -1;
}

#include "common/admin_listener.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#define BACKLOG         1024 /* a crowd in front of a probe is accepted, not dropped by the kernel */
#define ACCEPTS_A_TURN  16
#define ACCEPT_PAUSE_MS 250

static void keep_reserve(struct admin_listener *listener)
{
    if (listener->reserve < 0)
        listener->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Without a pause the loop would spin: the socket stays readable. */
static void pause_accepting(struct admin_listener *listener, int error)
{
    const struct timeval pause = clock_timeval_ms(ACCEPT_PAUSE_MS);
    LOG_LIMITED(LOG_WARN, "admin_accept_failed", LOG_S("error", strerror(error)));
    listener->n_pauses++;
    if (event_add(&listener->again, &pause) == 0)
        event_del(&listener->acceptable);
}

static bool find_descriptor(struct admin_listener *listener)
{
    if (listener->events->on_shortage(listener->owner))
        return true;
    if (listener->reserve < 0)
        return false;
    close(listener->reserve);
    listener->reserve = -1;
    return true;
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct admin_listener *listener = arg;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_any peer = {.len = sizeof(peer.in6)};
        int accepted = accept4(fd, &peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted >= 0) {
            listener->events->on_accept(listener->owner, accepted, &peer);
            continue;
        }
        int error = errno;
        if (error == EAGAIN)
            return;
        if (error == EINTR || error == ECONNABORTED)
            continue;
        if ((error == EMFILE || error == ENFILE) && find_descriptor(listener))
            continue;
        pause_accepting(listener, error);
        return;
    }
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct admin_listener *listener = arg;
    keep_reserve(listener);
    if (event_add(&listener->acceptable, NULL) < 0)
        pause_accepting(listener, ENOMEM);
}

/* A listening socket, or -1 with `err` filled; `port` receives what it got. */
static int listen_at(const struct sockaddr_any *address, uint16_t *port, struct err *err)
{
    char text[ADDR_TEXT_BYTES];
    struct sockaddr_any bound = {.len = sizeof(bound.in6)};
    int one = 1;
    int fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, &address->sa, address->len) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, &bound.sa, &bound.len) < 0) {
        err_set_errno(err, errno, "admin: listen at %s", addr_format(address, text));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *port = addr_port(&bound);
    return fd;
}

bool admin_listener_open(struct admin_listener *listener, struct event_base *base,
                         const struct sockaddr_any *address,
                         const struct admin_listener_events *events, void *owner, struct err *err)
{
    *listener = (struct admin_listener){.events = events, .owner = owner, .reserve = -1};
    listener->fd = listen_at(address, &listener->port, err);
    if (listener->fd < 0)
        return false;
    keep_reserve(listener);
    event_assign(&listener->acceptable, base, listener->fd, EV_READ | EV_PERSIST, on_acceptable,
                 listener);
    evtimer_assign(&listener->again, base, on_again, listener);
    if (event_add(&listener->acceptable, NULL) < 0) {
        admin_listener_close(listener);
        return err_set(err, "admin: cannot watch the listening socket");
    }
    return true;
}

void admin_listener_close(struct admin_listener *listener)
{
    event_del(&listener->acceptable);
    event_del(&listener->again);
    close(listener->fd);
    if (listener->reserve >= 0)
        close(listener->reserve);
}

void admin_listener_room(struct admin_listener *listener)
{
    keep_reserve(listener);
}

#include "controller/source/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/map.h"

/* Everything that can change what a scan would find. */
#define WATCH_MASK                                                                                 \
    (IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO |            \
     IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

#define WRITING_MAX 10000 /* files that are remembered as being written */

struct watch {
    int fd;
    unsigned debounce_ms;
    struct event *readable;
    struct event *timer;
    struct map folders; /* watch descriptor -> what its files are called by, malloc'd */
    struct map writing; /* path -> the watch itself */
    void (*on_change)(void *context);
    void *context;
};

/* The map is keyed by text; a descriptor's bytes will do. */
static struct slice descriptor_key(const int *descriptor)
{
    return slice_of(descriptor, sizeof(*descriptor));
}

void watch_again(struct watch *watch, unsigned ms)
{
    struct timeval pending, delay = clock_timeval_ms(ms);
    struct timeval now;
    if (evtimer_pending(watch->timer, &pending)) {
        struct timeval due;
        gettimeofday(&now, NULL);
        timeradd(&now, &delay, &due);
        if (timercmp(&pending, &due, <=))
            return;
    }
    evtimer_add(watch->timer, &delay);
}

/*
 * A file that has only been made is empty, which does no harm; the first write to it marks it.
 * Links and renamed files are whole from the start.
 */
static void note_writing(struct watch *watch, const char *folder, const struct inotify_event *event)
{
    char path[4096];
    int len = snprintf(path, sizeof(path), "%s%s", folder, event->name);
    if (len < 0 || (size_t)len >= sizeof(path) || (event->mask & IN_ISDIR))
        return;
    bool is_writing = event->mask & IN_MODIFY;
    bool is_over = event->mask & (IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO);
    if (is_over)
        map_remove(&watch->writing, slice_str(path));
    else if (is_writing && watch->writing.count < WRITING_MAX &&
             !map_set(&watch->writing, slice_str(path), watch, NULL))
        LOG_LIMITED(LOG_WARN, "watch_out_of_memory", LOG_S("file", path));
}

static void take_event(struct watch *watch, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW) { /* events were lost, also those that end a writing */
        map_fini(&watch->writing, NULL);
    } else if (event->mask & IN_IGNORED) {
        free(map_remove(&watch->folders, descriptor_key(&event->wd)));
    } else if (event->len > 0) {
        const char *folder = map_get(&watch->folders, descriptor_key(&event->wd));
        if (folder)
            note_writing(watch, folder, event);
    }
}

void watch_drain(struct watch *watch)
{
    char events[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool has_changed = false;
    for (;;) {
        ssize_t got = read(watch->fd, events, sizeof(events));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        has_changed = true;
        for (ssize_t at = 0; at < got;) {
            const struct inotify_event *event = (const struct inotify_event *)(events + at);
            take_event(watch, event);
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    }
    if (has_changed)
        watch_again(watch, watch->debounce_ms);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    watch_drain(arg);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct watch *watch = arg;
    watch->on_change(watch->context);
}

struct watch *watch_new(struct event_base *base, unsigned debounce_ms,
                        void (*on_change)(void *context), void *context, struct err *err)
{
    struct watch *watch = calloc(1, sizeof(*watch));
    if (!watch) {
        err_set(err, "out of memory");
        return NULL;
    }
    watch->debounce_ms = debounce_ms;
    watch->on_change = on_change;
    watch->context = context;
    watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->fd < 0) {
        err_set_errno(err, errno, "inotify");
        free(watch);
        return NULL;
    }
    watch->readable = event_new(base, watch->fd, EV_READ | EV_PERSIST, on_readable, watch);
    watch->timer = evtimer_new(base, on_timer, watch);
    if (!watch->readable || !watch->timer || event_add(watch->readable, NULL) != 0) {
        err_set(err, "inotify: out of memory");
        watch_free(watch);
        return NULL;
    }
    return watch;
}

void watch_free(struct watch *watch)
{
    if (!watch)
        return;
    if (watch->readable)
        event_free(watch->readable);
    if (watch->timer)
        event_free(watch->timer);
    close(watch->fd);
    map_fini(&watch->folders, free);
    map_fini(&watch->writing, NULL);
    free(watch);
}

bool watch_add(struct watch *watch, const char *folder, const char *name, struct err *err)
{
    int descriptor = inotify_add_watch(watch->fd, folder, WATCH_MASK);
    if (descriptor < 0)
        return err_set_errno(err, errno, "%s: cannot be watched", folder);
    const char *known = map_get(&watch->folders, descriptor_key(&descriptor));
    if (known && strcmp(known, name) == 0)
        return true;
    char *copy = strdup(name);
    void *old = NULL;
    if (!copy || !map_set(&watch->folders, descriptor_key(&descriptor), copy, &old)) {
        free(copy);
        return err_set(err, "%s: out of memory", folder);
    }
    free(old);
    return true;
}

bool watch_is_writing(const struct watch *watch, const char *path)
{
    return map_get(&watch->writing, slice_str(path)) != NULL;
}

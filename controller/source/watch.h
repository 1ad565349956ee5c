/*
 * Tells that something changed in a set of folders, through inotify, a short while after the first
 * change of a burst; and which files somebody is writing right now, so that nobody reads half a
 * file.
 */
#ifndef OUTRIGGER_CONTROLLER_SOURCE_WATCH_H
#define OUTRIGGER_CONTROLLER_SOURCE_WATCH_H

#include <event2/event.h>

#include "common/err.h"

struct watch;

/*
 * `on_change` is called from the event loop, `debounce_ms` after the first change that it has not
 * been told of. It may call every function here but watch_free().
 */
struct watch *watch_new(struct event_base *base, unsigned debounce_ms,
                        void (*on_change)(void *context), void *context, struct err *err);
void watch_free(struct watch *watch);

/*
 * Watches a folder, not what is below it. `name` is what its files are called by in
 * watch_is_writing(): "" or a path that ends in '/'. Watching it again changes the name.
 */
bool watch_add(struct watch *watch, const char *folder, const char *name, struct err *err) MUST_USE;

/* Reads the events that are waiting now, so that watch_is_writing() is up to date. */
void watch_drain(struct watch *watch);

/* Has the file been written to by somebody who has not closed it yet? */
bool watch_is_writing(const struct watch *watch, const char *path);

/* Calls on_change after that many milliseconds, unless it is to be called earlier. */
void watch_again(struct watch *watch, unsigned ms);

#endif

/*
 * /tap: live requests as they end, a line of JSON each, until the client goes or `limit` of them.
 */
#include <stdlib.h>

#include "common/options.h"
#include "proxy/admin/admin.h"
#include "proxy/admin/pages.h"
#include "proxy/telemetry/tap.h"

#define LIMIT_MAX 1000000000

struct watcher {
    struct admin_request *request;
    struct tap *tap;
    struct arena arena; /* the filter's texts */
    struct request_filter filter;
    uint64_t left; /* lines; 0: without end */
};

static void watcher_free(struct watcher *watcher)
{
    if (watcher->tap)
        tap_close(watcher->tap);
    arena_fini(&watcher->arena);
    free(watcher);
}

static void on_gone(void *context)
{
    watcher_free(context);
}

static bool on_line(void *context, struct slice line)
{
    struct watcher *watcher = context;
    if (!admin_reply_piece(watcher->request, line.ptr, line.len))
        return false;
    if (watcher->left > 0 && --watcher->left == 0) {
        struct admin_request *request = watcher->request;
        watcher_free(watcher);
        admin_reply_end(request);
    }
    return true;
}

static bool set_limit(struct watcher *watcher, const char *text, struct err *err)
{
    struct err ignored;
    if (watcher->left > 0)
        return err_set(err, "limit: is there twice");
    return option_parse_uint(slice_str(text), 1, LIMIT_MAX, &watcher->left, &ignored) ||
           err_set(err, "limit: \"%.64s\" is no number of lines (1-%d)", text, LIMIT_MAX);
}

static bool read_query(struct watcher *watcher, struct err *err)
{
    const char *name, *value;
    request_filter_init(&watcher->filter);
    for (size_t i = 0; admin_request_query_at(watcher->request, i, &name, &value); i++) {
        const char *kept = arena_text(&watcher->arena, slice_str(value));
        if (!kept)
            return err_set(err, "out of memory");
        if (!(strcmp(name, "limit") == 0 ? set_limit(watcher, kept, err)
                                         : request_filter_add(&watcher->filter, name, kept, err)))
            return false;
    }
    return true;
}

void page_tap(struct admin_request *request, void *context)
{
    const struct admin_sources *sources = context;
    struct watcher *watcher = calloc(1, sizeof(*watcher));
    struct err err;
    if (!watcher) {
        admin_reply_text(request, HTTP_INTERNAL, "out of memory");
        return;
    }
    watcher->request = request;
    if (!read_query(watcher, &err)) {
        admin_reply_text(request, HTTP_BADREQUEST, "%s", err.text);
        watcher_free(watcher);
        return;
    }
    watcher->tap = tap_open(sources->taps, &watcher->filter, on_line, watcher);
    if (!watcher->tap) {
        admin_reply_text(request, HTTP_SERVUNAVAIL, "%d taps are open already, the most there are",
                         TAPS_MAX);
        watcher_free(watcher);
        return;
    }
    if (!admin_reply_start(request, "application/x-ndjson", on_gone, watcher))
        watcher_free(watcher);
}

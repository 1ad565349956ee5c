#include "controller/kubernetes/kube_watch.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/jitter.h"
#include "common/log.h"
#include "controller/kubernetes/kube_call.h"
#include "controller/kubernetes/kube_objects.h"
#include "controller/objects/keys.h"
#include "controller/objects/read.h"

#define PAGE_ITEMS      500
#define PAGE_MAX_BYTES  (256u << 20)
#define EVENT_MAX_BYTES (16u << 20)
#define LIST_IDLE_MS    30000
#define WATCH_SEC       290 /* the server ends a watch after this, in good order */
#define WATCH_IDLE_MS   ((WATCH_SEC + 30) * 1000)
#define AGAIN_MIN_MS    100
#define AGAIN_MAX_MS    30000
#define ABSENT_MS       30000
#define ORIGIN_BYTES    512
#define PATH_BYTES      4096

enum state { LISTING, WATCHING, WAITING };

struct kube_watch {
    const struct kube_watch_options *options;
    struct kube_objects objects; /* their kind, and the version of it that is asked for */
    enum state state;
    struct kube_call *call;
    struct event *timer;
    unsigned status; /* of the answer that comes */
    uint64_t retry_after_ms;
    struct buf received;
    size_t looked_at;       /* of `received`: no line ends before this */
    char *resource_version; /* from which the watch goes on; NULL: list */
    char *next_page;        /* the list's continue token, or NULL */
    struct map listed;      /* "NAMESPACE/NAME" -> the watch, of the list that is being read */
    unsigned n_failures;    /* in a row */
    bool is_synced, is_absent;
    bool is_list_due; /* what the watch goes on from is no longer known */
    char error[512];
};

static void begin(struct kube_watch *watch);

static bool set_text(char **field, const char *text)
{
    char *copy = *text ? strdup(text) : NULL;
    free(*field);
    *field = copy;
    return copy || !*text;
}

/* ---- a list -----------------------------------------------------------------------------------
 */

static const char *name_of(const char *namespace, const char *name, char text[ORIGIN_BYTES])
{
    snprintf(text, ORIGIN_BYTES, "%s/%s", namespace, name);
    return text;
}

static void note_listed(struct kube_watch *watch, const json_t *metadata)
{
    char name[ORIGIN_BYTES];
    name_of(kube_text(metadata, "namespace"), kube_text(metadata, "name"), name);
    if (!map_set(&watch->listed, slice_str(name), watch, NULL))
        watch->is_list_due = true; /* or it would be removed as if it were gone */
}

/* The first object that the list did not have; NULL: there is none. */
static const struct object *find_gone(const struct kube_watch *watch)
{
    char key[STORE_KEY_BYTES], name[ORIGIN_BYTES];
    struct found found = store_find(watch->options->store, key_of_kind(key, watch->objects.kind));
    for (size_t i = 0; i < found.n; i++) {
        name_of(found.list[i]->namespace, found.list[i]->name, name);
        if (!map_get(&watch->listed, slice_str(name)))
            return found.list[i];
    }
    return NULL;
}

static void remove_gone(struct kube_watch *watch)
{
    const struct object *object;
    char namespace[ORIGIN_BYTES], name[ORIGIN_BYTES];
    while ((object = find_gone(watch))) {
        snprintf(namespace, sizeof(namespace), "%s", object->namespace);
        snprintf(name, sizeof(name), "%s", object->name);
        store_remove(watch->options->store, watch->objects.kind, namespace, name);
    }
    map_fini(&watch->listed, NULL);
}

static void synced(struct kube_watch *watch)
{
    if (!watch->is_synced)
        LOG(LOG_INFO, "kubernetes_synced", LOG_S("kind", object_kind_name(watch->objects.kind)),
            LOG_S("resource_version", watch->resource_version ? watch->resource_version : ""));
    watch->is_synced = true;
    watch->options->on_change(watch->options->context);
}

/* "" or why the page cannot be used. */
static const char *read_page(struct kube_watch *watch)
{
    struct slice text = buf_slice(&watch->received);
    json_t *page = json_loadb(text.len ? text.ptr : "", text.len, 0, NULL);
    const json_t *metadata = json_object_get(page, "metadata");
    json_t *items = json_object_get(page, "items"), *item;
    size_t index;
    bool is_kept = metadata && set_text(&watch->next_page, kube_text(metadata, "continue")) &&
                   set_text(&watch->resource_version, kube_text(metadata, "resourceVersion"));
    json_array_foreach(items, index, item)
    {
        note_listed(watch, json_object_get(item, "metadata"));
        kube_objects_put(&watch->objects, item);
    }
    bool is_list = is_kept && (json_is_array(items) || json_is_null(items));
    json_decref(page);
    return is_list ? "" : "the answer is no list";
}

/* ---- a watch ----------------------------------------------------------------------------------
 */

/* False: what the watch goes on from is not known any more, or the server is in trouble. */
static bool read_event(struct kube_watch *watch, struct slice line)
{
    json_t *event = json_loadb(line.ptr, line.len, 0, NULL);
    const char *type = kube_text(event, "type");
    json_t *object = json_object_get(event, "object");
    const char *version = kube_text(json_object_get(object, "metadata"), "resourceVersion");
    bool is_good = true, is_change = true;
    if (strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0) {
        kube_objects_put(&watch->objects, object);
    } else if (strcmp(type, "DELETED") == 0) {
        kube_objects_remove(&watch->objects, object);
    } else if (strcmp(type, "BOOKMARK") == 0) {
        is_change = false;
    } else {
        is_good = is_change = false;
        watch->is_list_due |= json_integer_value(json_object_get(object, "code")) == 410;
        snprintf(watch->error, sizeof(watch->error), "%s",
                 event ? kube_text(object, "message") : "an event is no JSON");
    }
    if (is_good && *version && !set_text(&watch->resource_version, version))
        watch->is_list_due = true;
    json_decref(event);
    if (is_change)
        watch->options->on_change(watch->options->context);
    watch->n_failures = is_good ? 0 : watch->n_failures;
    return is_good;
}

static bool read_events(struct kube_watch *watch)
{
    for (;;) {
        struct slice all = buf_slice(&watch->received);
        const char *end = all.len > watch->looked_at
                              ? memchr(all.ptr + watch->looked_at, '\n', all.len - watch->looked_at)
                              : NULL;
        if (!end) {
            watch->looked_at = all.len;
            return true;
        }
        size_t len = (size_t)(end - all.ptr);
        bool is_good = len == 0 || read_event(watch, slice_sub(all, 0, len));
        buf_consume(&watch->received, len + 1);
        watch->looked_at = 0;
        if (!is_good)
            return false;
    }
}

/* ---- again ------------------------------------------------------------------------------------
 */

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    begin(context);
}

static void wait_ms(struct kube_watch *watch, uint64_t ms)
{
    const struct timeval delay = clock_timeval_ms(ms);
    watch->state = WAITING;
    event_add(watch->timer, &delay);
}

static const char *failure_origin(const struct kube_watch *watch, char origin[ORIGIN_BYTES])
{
    snprintf(origin, ORIGIN_BYTES, "kubernetes/%s", object_kind_name(watch->objects.kind));
    return origin;
}

static void failed(struct kube_watch *watch, const char *why)
{
    char origin[ORIGIN_BYTES], line[1024];
    unsigned shift = watch->n_failures < 9 ? watch->n_failures : 9;
    uint64_t most_ms = (uint64_t)AGAIN_MIN_MS << shift;
    if (why != watch->error)
        snprintf(watch->error, sizeof(watch->error), "%s", why);
    snprintf(line, sizeof(line), "kubernetes: %s cannot be followed: %s",
             object_kind_name(watch->objects.kind), watch->error);
    if (problems_set(watch->options->problems, failure_origin(watch, origin), line))
        LOG(LOG_WARN, "kubernetes_failed", LOG_S("kind", object_kind_name(watch->objects.kind)),
            LOG_S("error", watch->error));
    watch->n_failures++;
    if (watch->retry_after_ms)
        wait_ms(watch, jitter_around(watch->retry_after_ms, 20));
    else
        wait_ms(watch, 1 + jitter_below(most_ms < AGAIN_MAX_MS ? most_ms : AGAIN_MAX_MS));
}

static void recovered(struct kube_watch *watch)
{
    char origin[ORIGIN_BYTES];
    watch->error[0] = '\0';
    if (problems_clear(watch->options->problems, failure_origin(watch, origin)))
        LOG(LOG_INFO, "kubernetes_recovered", LOG_S("kind", object_kind_name(watch->objects.kind)));
}

/* No such kind, in any version that is read: then there are no objects of it. */
static void absent(struct kube_watch *watch)
{
    char path[OBJECTS_PATH_BYTES];
    if (objects_path(watch->objects.kind, watch->objects.version + 1, path)) {
        watch->objects.version++;
        wait_ms(watch, 0);
        return;
    }
    watch->objects.version = 0;
    watch->n_failures = 0;
    recovered(watch);
    watch->is_absent = true;
    remove_gone(watch);
    synced(watch);
    wait_ms(watch, ABSENT_MS);
}

/* ---- answers ----------------------------------------------------------------------------------
 */

static void on_head(void *owner, unsigned status, uint64_t retry_after_ms)
{
    struct kube_watch *watch = owner;
    watch->status = status;
    watch->retry_after_ms = retry_after_ms;
    if (status == 200 && watch->state == WATCHING)
        recovered(watch);
}

static bool on_data(void *owner, struct slice data)
{
    struct kube_watch *watch = owner;
    if (!buf_append(&watch->received, data.ptr, data.len)) {
        snprintf(watch->error, sizeof(watch->error), "an answer is too large");
        return false;
    }
    return watch->state != WATCHING || watch->status != 200 || read_events(watch);
}

/* "the API server answered 403: pods is forbidden: User ..." */
static void failed_with_status(struct kube_watch *watch)
{
    struct slice text = buf_slice(&watch->received);
    json_t *status = json_loadb(text.len ? text.ptr : "", text.len, 0, NULL);
    const char *message = kube_text(status, "message");
    char why[400];
    snprintf(why, sizeof(why), "the API server answered %u%s%s", watch->status,
             *message ? ": " : "", message);
    json_decref(status);
    failed(watch, why);
}

static void list_ended(struct kube_watch *watch, const char *why)
{
    if (*why) {
        failed(watch, why);
    } else if (watch->status == 404) {
        absent(watch);
    } else if (watch->status == 410 &&
               watch->next_page) { /* the list took too long: from the top */
        set_text(&watch->next_page, "");
        failed(watch, "the list is too old to go on with");
    } else if (watch->status != 200) {
        failed_with_status(watch);
    } else if (*(why = read_page(watch))) {
        failed(watch, why);
    } else if (watch->next_page) {
        begin(watch);
    } else {
        watch->n_failures = 0;
        watch->is_absent = false;
        recovered(watch);
        if (!watch->is_list_due)
            remove_gone(watch);
        synced(watch);
        begin(watch);
    }
}

static void watch_ended(struct kube_watch *watch, const char *why)
{
    if (watch->status == 410)
        watch->is_list_due = true;
    if (watch->is_list_due)
        set_text(&watch->resource_version, "");
    if (watch->status == 404)
        set_text(&watch->resource_version, ""); /* the kind has gone: the list says so */
    if (watch->status && watch->status != 200 && !*why && watch->resource_version)
        failed_with_status(watch);
    else if (*watch->error && watch->status == 200)
        failed(watch, watch->error);
    else if (*why)
        failed(watch, why);
    else
        wait_ms(watch, jitter_below(AGAIN_MIN_MS)); /* its time was over */
}

static void on_end(void *owner, const char *why)
{
    struct kube_watch *watch = owner;
    watch->call = NULL;
    if (watch->state == LISTING)
        list_ended(watch, why);
    else
        watch_ended(watch, why);
}

/* ---- questions --------------------------------------------------------------------------------
 */

/* Whatever is in a token: it is opaque. */
static void put_encoded(char *path, size_t *len, const char *text)
{
    for (; *text && *len + 4 < PATH_BYTES; text++)
        *len += (size_t)snprintf(path + *len, PATH_BYTES - *len,
                                 isalnum((unsigned char)*text) || strchr("-_.~", *text) ? "%c"
                                                                                        : "%%%02X",
                                 (unsigned char)*text);
}

static void write_path(const struct kube_watch *watch, char path[PATH_BYTES])
{
    char kind_path[OBJECTS_PATH_BYTES];
    const char *at = objects_path(watch->objects.kind, watch->objects.version, kind_path);
    size_t len;
    if (watch->state == LISTING) {
        len = (size_t)snprintf(path, PATH_BYTES, "%s?limit=%d", at, PAGE_ITEMS);
        if (watch->next_page) {
            len += (size_t)snprintf(path + len, PATH_BYTES - len, "&continue=");
            put_encoded(path, &len, watch->next_page);
        }
    } else {
        len = (size_t)snprintf(
            path, PATH_BYTES,
            "%s?watch=true&allowWatchBookmarks=true&timeoutSeconds=%d&resourceVersion=", at,
            WATCH_SEC);
        put_encoded(path, &len, watch->resource_version);
    }
}

/* The next page, a list from the top, or a watch from where we are. */
static void begin(struct kube_watch *watch)
{
    static const struct kube_call_events events = {on_head, on_data, on_end};
    char path[PATH_BYTES];
    bool is_list = watch->next_page || !watch->resource_version || watch->is_list_due;
    watch->state = is_list ? LISTING : WATCHING;
    if (is_list && !watch->next_page) {
        map_fini(&watch->listed, NULL);
        watch->is_list_due = false;
    }
    buf_fini(&watch->received);
    buf_init(&watch->received, is_list ? PAGE_MAX_BYTES : EVENT_MAX_BYTES);
    watch->looked_at = 0;
    watch->status = 0;
    watch->retry_after_ms = 0;
    watch->error[0] = '\0';
    write_path(watch, path);
    const struct kube_question question = {.path = path,
                                           .idle_ms = is_list ? LIST_IDLE_MS : WATCH_IDLE_MS};
    watch->call =
        kube_call_start(watch->options->base, watch->options->access, &question, &events, watch);
    if (!watch->call)
        failed(watch, "out of memory");
}

/* ---- the whole --------------------------------------------------------------------------------
 */

struct kube_watch *kube_watch_new(enum object_kind kind, const struct kube_watch_options *options)
{
    struct kube_watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return NULL;
    watch->options = options;
    watch->objects = (struct kube_objects){kind, 0, options->store, options->problems};
    watch->timer = evtimer_new(options->base, on_timer, watch);
    buf_init(&watch->received, PAGE_MAX_BYTES);
    if (!watch->timer) {
        kube_watch_free(watch);
        return NULL;
    }
    begin(watch);
    return watch;
}

void kube_watch_free(struct kube_watch *watch)
{
    if (!watch)
        return;
    kube_call_free(watch->call);
    if (watch->timer)
        event_free(watch->timer);
    buf_fini(&watch->received);
    map_fini(&watch->listed, NULL);
    free(watch->resource_version);
    free(watch->next_page);
    free(watch);
}

bool kube_watch_is_synced(const struct kube_watch *watch)
{
    return watch->is_synced;
}

json_t *kube_watch_describe(const struct kube_watch *watch)
{
    static const char *const states[] = {"listing", "watching", "waiting"};
    char path[OBJECTS_PATH_BYTES];
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:s, s:s}", "kind",
                     object_kind_name(watch->objects.kind), "path",
                     objects_path(watch->objects.kind, watch->objects.version, path), "state",
                     states[watch->state], "synced", watch->is_synced, "absent", watch->is_absent,
                     "resource_version", watch->resource_version ? watch->resource_version : "",
                     "error", watch->error);
}

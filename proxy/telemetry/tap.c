#include "proxy/telemetry/tap.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/jitter.h"
#include "common/list.h"
#include "common/log.h"

struct tap {
    struct list node;
    struct tap_hub *hub;
    uint64_t id; /* a line in the mail finds its tap by it, or finds that it has gone */
    const struct request_filter *filter;
    bool (*on_line)(void *context, struct slice line);
    void *context;
    _Atomic uint64_t waiting, dropped;
};

struct tap_hub {
    struct mailbox *box;
    _Atomic unsigned n_taps;
    _Atomic uint64_t dropped;
    pthread_mutex_t mutex; /* the list: the main thread changes it, workers walk it */
    struct list taps;
    uint64_t next_id; /* the main thread's */
};

struct tap_line {
    struct letter letter;
    struct tap_hub *hub;
    uint64_t tap_id;
    char *text;
};

struct tap_hub *tap_hub_new(struct mailbox *box)
{
    struct tap_hub *hub = calloc(1, sizeof(*hub));
    if (!hub)
        return NULL;
    hub->box = box;
    list_init(&hub->taps);
    pthread_mutex_init(&hub->mutex, NULL);
    return hub;
}

void tap_hub_free(struct tap_hub *hub)
{
    if (!hub)
        return;
    pthread_mutex_destroy(&hub->mutex);
    free(hub);
}

struct tap *tap_open(struct tap_hub *hub, const struct request_filter *filter,
                     bool (*on_line)(void *context, struct slice line), void *context)
{
    if (atomic_load_explicit(&hub->n_taps, memory_order_relaxed) >= TAPS_MAX)
        return NULL;
    struct tap *tap = calloc(1, sizeof(*tap));
    if (!tap)
        return NULL;
    tap->hub = hub;
    tap->id = ++hub->next_id;
    tap->filter = filter;
    tap->on_line = on_line;
    tap->context = context;
    pthread_mutex_lock(&hub->mutex);
    list_append(&hub->taps, &tap->node);
    pthread_mutex_unlock(&hub->mutex);
    atomic_fetch_add(&hub->n_taps, 1);
    return tap;
}

void tap_close(struct tap *tap)
{
    struct tap_hub *hub = tap->hub;
    atomic_fetch_sub(&hub->n_taps, 1);
    pthread_mutex_lock(&hub->mutex);
    list_remove(&tap->node);
    pthread_mutex_unlock(&hub->mutex);
    free(tap);
}

uint64_t tap_dropped(const struct tap *tap)
{
    return atomic_load(&tap->dropped);
}

uint64_t tap_hub_dropped(const struct tap_hub *hub)
{
    return atomic_load(&hub->dropped);
}

bool tap_hub_is_watched(const struct tap_hub *hub)
{
    return atomic_load_explicit(&hub->n_taps, memory_order_relaxed) > 0;
}

static void count_dropped(struct tap *tap)
{
    atomic_fetch_add(&tap->dropped, 1);
    atomic_fetch_add(&tap->hub->dropped, 1);
}

/* On the main thread, which alone opens and closes taps: no lock is needed to look for one. */
static void on_letter(struct letter *letter, void *owner)
{
    struct tap_line *line = LIST_ENTRY(letter, struct tap_line, letter);
    if (owner) {
        LIST_EACH(node, &line->hub->taps) {
            struct tap *tap = LIST_ENTRY(node, struct tap, node);
            if (tap->id != line->tap_id)
                continue;
            atomic_fetch_sub(&tap->waiting, 1);
            if (!tap->on_line(tap->context, slice_str(line->text)))
                count_dropped(tap);
            break; /* on_line may have closed it */
        }
    }
    free(line->text);
    free(line);
}

/* Not UTF-8 for certain: bytes above ASCII stand as the code points of Latin-1, as in the log. */
static json_t *text_json(struct slice text)
{
    char plain[2 * 4096];
    size_t len = 0;
    for (size_t i = 0; i < text.len && len + 2 <= sizeof(plain); i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x80) {
            plain[len++] = (char)(0xc0 | c >> 6);
            c = 0x80 | (c & 0x3f);
        }
        plain[len++] = (char)c;
    }
    return json_stringn(plain, len);
}

static char *line_text(const struct request_facts *facts)
{
    char time[LOG_TIME_BYTES];
    json_t *json = json_pack("{s:s}", "time", log_time_text(time));
    for (int i = 0; json && i < FACT_COUNT; i++) {
        struct fact fact = request_fact(facts, (enum request_fact)i);
        json_t *value = fact.is_number ? json_integer(fact.number) : text_json(fact.text);
        json_object_set_new(json, request_fact_name((enum request_fact)i), value);
    }
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    size_t len = text ? strlen(text) : 0;
    char *longer = text ? realloc(text, len + 2) : NULL;
    if (!longer) {
        free(text);
        return NULL;
    }
    memcpy(longer + len, "\n", 2);
    return longer;
}

static void tap_take(struct tap *tap, const struct request_facts *facts)
{
    if (!request_filter_passes(tap->filter, facts, jitter_below(TRACE_ALL)))
        return;
    if (atomic_load(&tap->waiting) >= TAP_LINES_MAX) {
        count_dropped(tap);
        return;
    }
    struct tap_line *line = malloc(sizeof(*line));
    char *text = line ? line_text(facts) : NULL;
    if (!text) {
        free(line);
        count_dropped(tap);
        return;
    }
    *line = (struct tap_line){
        .letter = {.deliver = on_letter}, .hub = tap->hub, .tap_id = tap->id, .text = text};
    atomic_fetch_add(&tap->waiting, 1);
    mailbox_post(tap->hub->box, &line->letter);
}

void tap_offer(struct tap_hub *hub, const struct request_facts *facts)
{
    pthread_mutex_lock(&hub->mutex);
    LIST_EACH(node, &hub->taps)
        tap_take(LIST_ENTRY(node, struct tap, node), facts);
    pthread_mutex_unlock(&hub->mutex);
}

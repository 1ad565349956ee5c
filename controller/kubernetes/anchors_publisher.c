#include "controller/kubernetes/anchors_publisher.h"

#include <jansson.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
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

#define ANSWER_MAX_BYTES (256u << 10)
#define ANSWER_IDLE_MS   10000
#define ALL_AGAIN_MS     (10 * 60 * 1000)
#define AGAIN_MIN_MS     200
#define AGAIN_MAX_MS     30000
#define PATH_BYTES       512
#define ORIGIN           "kubernetes/ConfigMap"

struct anchors_publisher {
    const struct anchors_publisher_options *options;
    char *json;      /* what is applied */
    struct map done; /* namespaces that have it */
    char *namespace; /* that is being written to; NULL: none */
    struct kube_call *call;
    struct buf received;
    unsigned status, n_failures;
    struct event *again, *all_again;
};

static void go_on(struct anchors_publisher *publisher);

/* ---- what is applied --------------------------------------------------------------------------
 */

static bool append_pem(struct buf *pem, struct slice der)
{
    const uint8_t *bytes = (const uint8_t *)der.ptr;
    X509 *cert = d2i_X509(NULL, &bytes, (long)der.len);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    bool is_good = cert && bio && PEM_write_bio_X509(bio, cert) == 1;
    long len = is_good ? BIO_get_mem_data(bio, &text) : 0;
    is_good = is_good && buf_append(pem, text, (size_t)len);
    BIO_free(bio);
    X509_free(cert);
    return is_good;
}

static char *config_map(const char *name, const struct trust_anchors *anchors)
{
    struct buf pem;
    bool is_good = true;
    buf_init(&pem, ANSWER_MAX_BYTES);
    for (size_t i = 0; is_good && i < trust_anchors_count(anchors); i++)
        is_good = append_pem(&pem, trust_anchors_der(anchors, i));
    struct slice text = buf_slice(&pem);
    json_t *json = is_good ? json_pack("{s:s, s:s, s:{s:s, s:{s:s}}, s:{s:s%}}", "apiVersion", "v1",
                                       "kind", "ConfigMap", "metadata", "name", name, "labels",
                                       "app.kubernetes.io/managed-by", "outrigger", "data",
                                       "root.pem", text.ptr ? text.ptr : "", text.len)
                           : NULL;
    char *out = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    buf_fini(&pem);
    return out;
}

/* ---- one namespace after the other ------------------------------------------------------------
 */

static void wait_ms(struct anchors_publisher *publisher, uint64_t ms)
{
    const struct timeval delay = clock_timeval_ms(ms);
    event_add(publisher->again, &delay);
}

static void failed(struct anchors_publisher *publisher, const char *why)
{
    char line[1024];
    unsigned shift = publisher->n_failures < 8 ? publisher->n_failures : 8;
    uint64_t most_ms = (uint64_t)AGAIN_MIN_MS << shift;
    publisher->n_failures++;
    snprintf(line, sizeof(line), "kubernetes: ConfigMap %s/%s cannot be written: %.600s",
             publisher->namespace, publisher->options->name, why);
    if (problems_set(publisher->options->problems, ORIGIN, line))
        LOG(LOG_WARN, "anchors_not_published", LOG_S("error", line));
    wait_ms(publisher, 1 + jitter_below(most_ms < AGAIN_MAX_MS ? most_ms : AGAIN_MAX_MS));
}

static void on_head(void *owner, unsigned status, uint64_t retry_after_ms)
{
    (void)retry_after_ms;
    ((struct anchors_publisher *)owner)->status = status;
}

static bool on_data(void *owner, struct slice data)
{
    struct anchors_publisher *publisher = owner;
    return buf_append(&publisher->received, data.ptr, data.len);
}

static void on_end(void *owner, const char *why)
{
    struct anchors_publisher *publisher = owner;
    struct slice text = buf_slice(&publisher->received);
    unsigned status = publisher->status;
    /* 404: the namespace has gone meanwhile, as the next change will say. */
    bool is_done = !*why && (status == 200 || status == 201 || status == 404);
    publisher->call = NULL;
    if (is_done && map_set(&publisher->done, slice_str(publisher->namespace), publisher, NULL)) {
        LOG(LOG_DEBUG, "anchors_published", LOG_S("namespace", publisher->namespace));
        publisher->n_failures = 0;
        problems_clear(publisher->options->problems, ORIGIN);
        go_on(publisher);
    } else {
        json_t *answer = json_loadb(text.len ? text.ptr : "", text.len, 0, NULL);
        char line[512];
        snprintf(line, sizeof(line), "the API server answered %u: %s", status,
                 kube_text(answer, "message"));
        failed(publisher, *why ? why : line);
        json_decref(answer);
    }
}

/* NULL: all of them have it. */
static const char *next_namespace(const struct anchors_publisher *publisher)
{
    char key[STORE_KEY_BYTES];
    struct found found = store_find(publisher->options->store, key_of_kind(key, OBJECT_NAMESPACE));
    for (size_t i = 0; i < found.n; i++)
        if (!map_get(&publisher->done, slice_str(found.list[i]->name)))
            return found.list[i]->name;
    return NULL;
}

static void go_on(struct anchors_publisher *publisher)
{
    static const struct kube_call_events events = {on_head, on_data, on_end};
    char path[PATH_BYTES];
    const char *next = next_namespace(publisher);
    if (!next || publisher->call)
        return;
    char *copy = strdup(next);
    if (!copy)
        return; /* at the next occasion */
    free(publisher->namespace);
    publisher->namespace = copy;
    publisher->status = 0;
    buf_fini(&publisher->received);
    buf_init(&publisher->received, ANSWER_MAX_BYTES);
    snprintf(path, sizeof(path),
             "/api/v1/namespaces/%s/configmaps/%s?fieldManager=outrigger&force=true", copy,
             publisher->options->name);
    const struct kube_question question = {path, slice_str(publisher->json), true, ANSWER_IDLE_MS};
    publisher->call = kube_call_start(publisher->options->base, publisher->options->access,
                                      &question, &events, publisher);
    if (!publisher->call)
        failed(publisher, "out of memory");
}

static void on_again(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    go_on(context);
}

static void on_all_again(evutil_socket_t fd, short what, void *context)
{
    struct anchors_publisher *publisher = context;
    (void)fd;
    (void)what;
    map_fini(&publisher->done, NULL);
    go_on(publisher);
}

/* A namespace that has gone may come again, without the ConfigMap. */
static void forget_gone(struct anchors_publisher *publisher)
{
    MAP_EACH(entry, &publisher->done) {
        if (!store_get(publisher->options->store, OBJECT_NAMESPACE, "", entry->key.ptr))
            map_remove(&publisher->done, entry->key);
    }
}

static void on_change(void *context, const struct map *changed)
{
    struct anchors_publisher *publisher = context;
    char key[STORE_KEY_BYTES];
    if (changed && !map_get(changed, slice_str(key_of_kind(key, OBJECT_NAMESPACE))))
        return;
    forget_gone(publisher);
    if (!evtimer_pending(publisher->again, NULL)) /* or it waits, having failed */
        go_on(publisher);
}

/* ---- the whole --------------------------------------------------------------------------------
 */

struct anchors_publisher *anchors_publisher_new(const struct anchors_publisher_options *options,
                                                const struct trust_anchors *anchors)
{
    struct anchors_publisher *publisher = calloc(1, sizeof(*publisher));
    const struct timeval period = clock_timeval_ms(ALL_AGAIN_MS);
    if (!publisher)
        return NULL;
    publisher->options = options;
    buf_init(&publisher->received, ANSWER_MAX_BYTES);
    publisher->json = config_map(options->name, anchors);
    publisher->again = evtimer_new(options->base, on_again, publisher);
    publisher->all_again = event_new(options->base, -1, EV_PERSIST, on_all_again, publisher);
    if (!publisher->json || !publisher->again || !publisher->all_again ||
        event_add(publisher->all_again, &period) != 0) {
        anchors_publisher_free(publisher);
        return NULL;
    }
    store_listen(options->store, on_change, publisher);
    go_on(publisher);
    return publisher;
}

void anchors_publisher_free(struct anchors_publisher *publisher)
{
    if (!publisher)
        return;
    kube_call_free(publisher->call);
    if (publisher->again)
        event_free(publisher->again);
    if (publisher->all_again)
        event_free(publisher->all_again);
    map_fini(&publisher->done, NULL);
    buf_fini(&publisher->received);
    free(publisher->namespace);
    free(publisher->json);
    free(publisher);
}

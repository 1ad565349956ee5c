#include "controller/source/kubernetes.h"

#include <stdlib.h>

#include "common/clock.h"
#include "controller/kubernetes/kube_watch.h"

#define BURST_MS 20

struct kubernetes {
    struct kube_watch_options options;
    struct kube_watch *watches[OBJECT_KINDS];
    struct event *timer; /* set while there is something to commit */
};

static void on_burst(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct kubernetes *kubernetes = context;
    if (kubernetes_is_synced(kubernetes))
        store_commit(kubernetes->options.store);
}

static void on_change(void *context)
{
    struct kubernetes *kubernetes = context;
    const struct timeval soon = clock_timeval_ms(BURST_MS);
    if (!evtimer_pending(kubernetes->timer, NULL))
        event_add(kubernetes->timer, &soon);
}

struct kubernetes *kubernetes_start(struct event_base *base, const struct kube_access *access,
                                    struct store *store, struct problems *problems)
{
    struct kubernetes *kubernetes = calloc(1, sizeof(*kubernetes));
    if (!kubernetes)
        return NULL;
    kubernetes->options = (struct kube_watch_options){.base = base,
                                                      .access = access,
                                                      .store = store,
                                                      .problems = problems,
                                                      .on_change = on_change,
                                                      .context = kubernetes};
    kubernetes->timer = evtimer_new(base, on_burst, kubernetes);
    bool is_good = kubernetes->timer;
    for (int kind = 0; is_good && kind < OBJECT_KINDS; kind++) {
        kubernetes->watches[kind] = kube_watch_new((enum object_kind)kind, &kubernetes->options);
        is_good = kubernetes->watches[kind];
    }
    if (is_good)
        return kubernetes;
    kubernetes_stop(kubernetes);
    return NULL;
}

void kubernetes_stop(struct kubernetes *kubernetes)
{
    if (!kubernetes)
        return;
    for (int kind = 0; kind < OBJECT_KINDS; kind++)
        kube_watch_free(kubernetes->watches[kind]);
    if (kubernetes->timer)
        event_free(kubernetes->timer);
    free(kubernetes);
}

bool kubernetes_is_synced(const struct kubernetes *kubernetes)
{
    for (int kind = 0; kind < OBJECT_KINDS; kind++)
        if (!kube_watch_is_synced(kubernetes->watches[kind]))
            return false;
    return true;
}

json_t *kubernetes_describe(const struct kubernetes *kubernetes)
{
    json_t *list = json_array();
    for (int kind = 0; kind < OBJECT_KINDS; kind++)
        json_array_append_new(list, kube_watch_describe(kubernetes->watches[kind]));
    return list;
}

#include "proxy/admin/gather.h"

#include <jansson.h>
#include <stdlib.h>

struct gather {
    size_t waiting; /* answers that are due, and one for gather_start() itself */
    json_t *array;
    void (*done)(void *context, json_t *array);
    void *context;
};

static void gather_end_one(struct gather *gather)
{
    if (--gather->waiting > 0)
        return;
    gather->done(gather->context, gather->array);
    free(gather);
}

static void on_answer(void *context, json_t *answer)
{
    struct gather *gather = context;
    if (json_is_array(answer))
        json_array_extend(gather->array, answer);
    else if (answer)
        json_array_append(gather->array, answer);
    json_decref(answer);
    gather_end_one(gather);
}

void gather_start(const struct admin_sources *sources, enum worker_view view,
                  void (*done)(void *context, json_t *array), void *context)
{
    struct gather *gather = malloc(sizeof(*gather));
    json_t *array = json_array();
    if (!gather || !array) {
        free(gather);
        json_decref(array);
        done(context, NULL);
        return;
    }
    *gather = (struct gather){
        .waiting = sources->n_workers + 1, .array = array, .done = done, .context = context};
    for (size_t i = 0; i < sources->n_workers; i++)
        worker_inspect(sources->workers[i], view, on_answer, gather);
    gather_end_one(gather);
}

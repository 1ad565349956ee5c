#include <jansson.h>
#include <stdlib.h>

#include "proxy/admin/endpoint_json.h"
#include "proxy/admin/gather.h"
#include "proxy/admin/pages.h"
#include "common/text.h"

static json_t *endpoints_json(const struct endpoints *endpoints)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < endpoints->n; i++)
        json_array_append_new(list, endpoint_json(&endpoints->list[i]));
    return json_pack("{s:s,s:s,s:o}", "name", endpoints->name, "version", endpoints->version,
                     "endpoints", list);
}

static json_t *all_json(const struct snapshot *snapshot)
{
    struct map_entry **entries = text_sorted(&snapshot->endpoints);
    json_t *array = entries ? json_array() : NULL;
    for (size_t i = 0; array && i < snapshot->endpoints.count; i++)
        json_array_append_new(array, endpoints_json(entries[i]->value));
    free(entries);
    return array;
}

/* What is answered when the workers have told what they learned. */
struct asked {
    struct admin_request *request;
    json_t *endpoints;
};

static void on_gathered(void *context, json_t *balancers)
{
    struct asked *asked = context;
    admin_reply_json(asked->request,
                     json_pack("{s:o,s:o}", "endpoints", asked->endpoints, "balancers", balancers));
    free(asked);
}

void page_endpoints(struct admin_request *request, void *context)
{
    struct admin_sources *sources = context;
    struct asked *asked = malloc(sizeof(*asked));
    if (!asked) {
        admin_reply_json(request, NULL);
        return;
    }
    *asked = (struct asked){request, all_json(control_snapshot(sources->control))};
    gather_start(sources, WORKER_BALANCERS, on_gathered, asked);
}

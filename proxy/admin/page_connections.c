#include <jansson.h>
#include <stdlib.h>

#include "proxy/admin/gather.h"
#include "proxy/admin/pages.h"

/* Asked for one after the other: what was accepted, and what HTTP was opened for it. */
struct asked {
    struct admin_request *request;
    json_t *connections; /* NULL while they are asked for */
    struct admin_sources *sources;
};

static void on_pools(void *context, json_t *pools)
{
    struct asked *asked = context;
    admin_reply_json(asked->request, json_pack("{s:I,s:o,s:o}", "count",
                                               (json_int_t)json_array_size(asked->connections),
                                               "connections", asked->connections, "pools", pools));
    free(asked);
}

static void on_connections(void *context, json_t *connections)
{
    struct asked *asked = context;
    asked->connections = connections;
    gather_start(asked->sources, WORKER_POOLS, on_pools, asked);
}

void page_connections(struct admin_request *request, void *context)
{
    struct asked *asked = malloc(sizeof(*asked));
    if (!asked) {
        admin_reply_json(request, NULL);
        return;
    }
    *asked = (struct asked){.request = request, .sources = context};
    gather_start(context, WORKER_CONNECTIONS, on_connections, asked);
}

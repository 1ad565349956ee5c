#include <jansson.h>

#include "proxy/admin/gather.h"
#include "proxy/admin/pages.h"

static void on_gathered(void *context, json_t *connections)
{
    admin_reply_json(context, connections ? json_pack("{s:I,s:o}", "count",
                                                      (json_int_t)json_array_size(connections),
                                                      "connections", connections)
                                          : NULL);
}

void page_connections(struct admin_request *request, void *context)
{
    gather_start(context, WORKER_CONNECTIONS, on_gathered, request);
}

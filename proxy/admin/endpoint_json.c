#include "proxy/admin/endpoint_json.h"

#include <jansson.h>

json_t *endpoint_json(const struct endpoint *endpoint)
{
    return json_pack("{s:s,s:I,s:s,s:s,s:s,s:s,s:s}", "address", endpoint->addr_text, "weight",
                     (json_int_t)endpoint->weight, "health", health_name(endpoint->health), "zone",
                     endpoint->zone, "identity", endpoint->identity, "pod", endpoint->pod,
                     "workload", endpoint->workload);
}

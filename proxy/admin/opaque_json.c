#include "proxy/admin/opaque_json.h"

#include <jansson.h>

#include "common/time_json.h"

struct json_t *opaque_json(const struct port_memory *memory)
{
    uint16_t ports[PORT_MEMORY_MAX];
    int64_t since_sec[PORT_MEMORY_MAX];
    size_t n = port_memory_list(memory, ports, since_sec);
    json_t *array = json_array();
    for (size_t i = 0; array && i < n; i++)
        json_array_append_new(array, json_pack("{s:i,s:o,s:s}", "port", (int)ports[i], "since",
                                               time_json(since_sec[i]), "why", PORT_MEMORY_WHY));
    return array;
}

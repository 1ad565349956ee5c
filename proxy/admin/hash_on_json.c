#include "proxy/admin/hash_on_json.h"

#include <jansson.h>

#include "proxy/config/balance_rules.h"

json_t *hash_on_json(const struct balance_rules *rules)
{
    json_t *list = json_array();
    for (size_t i = 0; i < rules->n_hash_on; i++) {
        const struct hash_on *hash_on = &rules->hash_on[i];
        json_array_append_new(list, json_sprintf("%s%s%s", hash_source_name(hash_on->source),
                                                 hash_on->name[0] ? " " : "", hash_on->name));
    }
    return list;
}

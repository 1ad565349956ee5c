#include "controller/objects/namespace.h"

#include <string.h>

static struct labels own_texts(const struct field *map)
{
    const size_t prefix = strlen(ANNOTATION_PREFIX);
    struct labels none = {0};
    struct field entry = {0};
    size_t n = 0;
    while (field_next_entry(map, &entry))
        n += strncmp(entry.name, ANNOTATION_PREFIX, prefix) == 0;
    if (n == 0 || map->reading->has_failed)
        return none;
    struct label *list = arena_take_array(map->reading->arena, n, sizeof(*list));
    if (!field_has_memory(map, list))
        return none;
    n = 0;
    entry = (struct field){0};
    while (field_next_entry(map, &entry)) {
        if (strncmp(entry.name, ANNOTATION_PREFIX, prefix) != 0)
            continue;
        list[n].key = arena_text(map->reading->arena, slice_str(entry.name));
        list[n].value = field_text(&entry);
        if (!field_has_memory(&entry, list[n++].key))
            return none;
    }
    return (struct labels){list, n};
}

void namespace_read(const struct field *root, struct object *object)
{
    struct namespace *namespace = (struct namespace *)object;
    struct field metadata = field_get(root, "metadata");
    annotations_read(&metadata, OBJECT_NAMESPACE, &namespace->annotations);
    struct field labels = field_get(&metadata, "labels");
    struct field annotations = field_get(&metadata, "annotations");
    namespace->own_labels = own_texts(&labels);
    namespace->own_annotations = own_texts(&annotations);
}

#include "controller/inject/wishes.h"

#include <string.h>

#include "common/options.h"
#include "controller/inject/warnings.h"

static const char *const names[WISH_COUNT] = {
#define X(suffix, name) [WISH_##suffix] = (name),
    WISHES(X)
#undef X
};

static void take(struct wishes *wishes, const char *name, const char *value)
{
    if (strcmp(name, "inject") == 0)
        wishes->inject = strcmp(value, "enabled") == 0 ? TOGGLE_ON : TOGGLE_OFF;
    for (size_t i = 0; i < WISH_COUNT; i++)
        if (strcmp(name, names[i]) == 0)
            wishes->text[i] = value;
}

static void read_map(const json_t *metadata, enum object_kind kind, bool is_label,
                     const char *where, struct wishes *wishes, json_t *warnings)
{
    const char *key;
    json_t *value;
    struct err err;
    json_t *map = json_object_get(metadata, is_label ? "labels" : "annotations");
    json_object_foreach(map, key, value)
    {
        if (strncmp(key, ANNOTATION_PREFIX, strlen(ANNOTATION_PREFIX)) != 0)
            continue;
        if (!json_is_string(value))
            warnings_add(warnings, "%smetadata: \"%s\" is no text: put it in quotes", where, key);
        else if (!annotation_check(key, json_string_value(value), kind, is_label, &err))
            warnings_add(warnings, "%s%s", where, err.text);
        else
            take(wishes, key + strlen(ANNOTATION_PREFIX), json_string_value(value));
    }
}

static void read_maps(const json_t *metadata, enum object_kind kind, const char *where,
                      struct wishes *wishes, json_t *warnings)
{
    read_map(metadata, kind, true, where, wishes, warnings);
    read_map(metadata, kind, false, where, wishes, warnings);
}

void wishes_read(const json_t *pod_metadata, const json_t *namespace_metadata,
                 struct wishes *wishes, json_t *warnings)
{
    *wishes = (struct wishes){0};
    read_maps(namespace_metadata, OBJECT_NAMESPACE, "the pod's namespace: ", wishes, warnings);
    read_maps(pod_metadata, OBJECT_POD, "", wishes, warnings);
}

void wishes_of_object(const json_t *metadata, enum object_kind kind, struct wishes *wishes,
                      json_t *warnings)
{
    *wishes = (struct wishes){0};
    read_maps(metadata, kind, "", wishes, warnings);
}

const char *wishes_text(const struct wishes *wishes, enum wish wish, const char *absent)
{
    return wishes->text[wish] ? wishes->text[wish] : absent;
}

uint64_t wishes_uint(const struct wishes *wishes, enum wish wish, uint64_t absent)
{
    uint64_t value;
    struct err ignored;
    const char *text = wishes->text[wish];
    return text && option_parse_uint(slice_str(text), 0, UINT32_MAX, &value, &ignored) ? value
                                                                                       : absent;
}

bool wishes_bool(const struct wishes *wishes, enum wish wish, bool absent)
{
    return wishes->text[wish] ? strcmp(wishes->text[wish], "true") == 0 : absent;
}

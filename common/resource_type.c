#include "common/resource_type.h"

static const struct {
    const char *word, *url;
} types[RESOURCE_TYPES] = {
#define X(type, word, message) [type] = {word, "type.googleapis.com/outrigger.v1." message},
    RESOURCE_TYPE_TABLE(X)
#undef X
};

const char *resource_type_url(enum resource_type type)
{
    return types[type].url;
}

const char *resource_type_word(enum resource_type type)
{
    return types[type].word;
}

bool resource_type_parse(struct slice url, enum resource_type *type)
{
    for (int i = 0; i < RESOURCE_TYPES; i++) {
        if (slice_eq_str(url, types[i].url)) {
            *type = (enum resource_type)i;
            return true;
        }
    }
    return false;
}

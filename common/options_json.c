#include "common/options_json.h"

#include <assert.h>
#include <string.h>

/* The index-th of "a|b|c". */
static json_t *choice_json(const char *choices, int index)
{
    for (; index > 0; index--)
        choices = strchr(choices, '|') + 1;
    return json_stringn(choices, strcspn(choices, "|"));
}

static json_t *field_json(const struct option_row *row, const void *field,
                          options_json_custom *custom)
{
    char duration[OPTION_DURATION_BYTES];
    const char *text;
    switch (row->type) {
    case OPTION_FLAG:
        return json_boolean(*(const bool *)field);
    case OPTION_UINT:
        return json_integer((json_int_t) * (const uint64_t *)field);
    case OPTION_DURATION:
        return json_string(option_format_duration(*(const uint64_t *)field, duration));
    case OPTION_STRING:
        text = *(const char *const *)field;
        return text ? json_string(text) : json_null();
    case OPTION_CHOICE:
        return choice_json(row->choices, *(const int *)field);
    case OPTION_CUSTOM:
        assert(custom);
        return custom(row, field);
    }
    return NULL;
}

json_t *options_json(const struct option_table *table, const void *settings,
                     options_json_custom *custom)
{
    json_t *object = json_object();
    for (size_t i = 0; object && i < table->n_rows; i++) {
        const struct option_row *row = &table->rows[i];
        json_t *value = field_json(row, (const char *)settings + row->offset, custom);
        /* Takes the reference, and says no to NULL. */
        if (json_object_set_new(object, row->name, value) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

#include "controller/objects/ports.h"

#include "common/options.h"

#define PORT_LIST_MAX 1000 /* ranges in one list */

bool port_ranges_has(struct port_ranges ranges, uint16_t port)
{
    for (size_t i = 0; i < ranges.n; i++)
        if (port >= ranges.list[i].first && port <= ranges.list[i].last)
            return true;
    return false;
}

size_t port_ranges_size(struct port_ranges ranges)
{
    size_t size = 0;
    for (size_t i = 0; i < ranges.n; i++)
        size += (size_t)(ranges.list[i].last - ranges.list[i].first) + 1;
    return size;
}

uint16_t field_port(const struct field *field)
{
    return (uint16_t)field_uint(field, 1, 65535, 0);
}

static bool parse_port(struct slice text, uint16_t *port)
{
    uint64_t value;
    struct err ignored;
    if (!option_parse_uint(text, 1, 65535, &value, &ignored))
        return false;
    *port = (uint16_t)value;
    return true;
}

/* "8080" or "9000-9010" */
static bool parse_range(struct slice text, struct port_range *range)
{
    const char *dash = text.len ? memchr(text.ptr, '-', text.len) : NULL;
    size_t first_len = dash ? (size_t)(dash - text.ptr) : text.len;
    if (!parse_port(slice_sub(text, 0, first_len), &range->first))
        return false;
    range->last = range->first;
    return !dash || (parse_port(slice_sub(text, first_len + 1, text.len), &range->last) &&
                     range->last >= range->first);
}

static bool fail_range(const struct field *field, struct slice text)
{
    return field_fail(field,
                      "\"%.*s\" is neither a port (1-65535) nor a range of ports (9000-9010)",
                      SLICE_ARG(text));
}

struct port_ranges field_port_list(const struct field *list)
{
    struct port_ranges none = {0};
    size_t n = field_count_some(list);
    if (n > PORT_LIST_MAX)
        field_fail(list, "has more than %d items", PORT_LIST_MAX);
    if (n == 0 || list->reading->has_failed)
        return none;
    struct port_range *ranges = arena_take_array(list->reading->arena, n, sizeof(*ranges));
    if (!field_has_memory(list, ranges))
        return none;
    struct field item = {0};
    while (field_next_item(list, &item)) {
        /* Without quotes it may be a number, with them a range; each is a text in the tree. */
        bool is_plain = item.node->kind == YAML_KIND_TEXT && item.node->is_plain;
        struct slice text = is_plain ? item.node->text : field_slice(&item);
        if (item.reading->has_failed || !parse_range(text, &ranges[item.index]))
            return fail_range(&item, text), none;
    }
    return (struct port_ranges){ranges, n};
}

struct port_ranges field_port_text(const struct field *field)
{
    struct port_ranges none = {0};
    struct slice text = field_slice(field);
    if (!field_is_set(field) || field->reading->has_failed)
        return none;
    size_t n = 1;
    for (size_t i = 0; i < text.len; i++)
        n += text.ptr[i] == ',';
    if (n > PORT_LIST_MAX)
        return field_fail(field, "has more than %d items", PORT_LIST_MAX), none;
    struct port_range *ranges = arena_take_array(field->reading->arena, n, sizeof(*ranges));
    if (!field_has_memory(field, ranges))
        return none;
    for (size_t i = 0; i < n; i++) {
        const char *comma = memchr(text.ptr, ',', text.len);
        size_t len = comma ? (size_t)(comma - text.ptr) : text.len;
        struct slice part = slice_trim(slice_sub(text, 0, len), " ");
        if (!parse_range(part, &ranges[i]))
            return fail_range(field, part), none;
        text = slice_sub(text, len + 1, text.len);
    }
    return (struct port_ranges){ranges, n};
}

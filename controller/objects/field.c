#include "controller/objects/field.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/options.h"

#define PATH_BYTES 512

struct field field_root(struct reading *reading, const struct yaml_node *node)
{
    return (struct field){.reading = reading, .node = node};
}

static bool is_plain_name(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9')))
            return false;
    return *name != '\0';
}

/* Writes "spec.rules[0].from" and returns how many bytes of it fitted. */
static size_t write_path(const struct field *field, char *path, size_t size)
{
    if (!field->up)
        return 0;
    size_t used = write_path(field->up, path, size);
    int len;
    if (!field->name)
        len = snprintf(path + used, size - used, "[%zu]", field->index);
    else if (is_plain_name(field->name))
        len = snprintf(path + used, size - used, "%s%s", used ? "." : "", field->name);
    else
        len = snprintf(path + used, size - used, "[\"%s\"]", field->name);
    size_t wanted = used + (size_t)(len > 0 ? len : 0);
    return wanted < size ? wanted : size - 1;
}

static unsigned field_line(const struct field *field)
{
    while (!field->node && field->up)
        field = field->up;
    return field->node ? field->node->line : 1;
}

bool field_fail(const struct field *field, const char *format, ...)
{
    struct reading *reading = field->reading;
    if (reading->has_failed)
        return false;
    reading->has_failed = true;
    char path[PATH_BYTES] = "";
    size_t len = write_path(field, path, sizeof(path));
    char message[sizeof(reading->err->text)];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    return err_set(reading->err, "%s:%u: %s%s%s", reading->file, field_line(field), path,
                   len ? ": " : "", message);
}

bool field_has_memory(const struct field *field, const void *ptr)
{
    return ptr || field_fail(field, "out of memory");
}

bool field_require(const struct field *field)
{
    return field_is_set(field) || field_fail(field, "is missing");
}

static const char *kind_word(const struct yaml_node *node)
{
    switch (node->kind) {
    case YAML_KIND_LIST:
        return "a list";
    case YAML_KIND_MAP:
        return "a map";
    default:
        return "a single value";
    }
}

static bool is_kind(const struct field *field, enum yaml_kind kind, const char *expected)
{
    if (field->reading->has_failed || !field->node)
        return false;
    return field->node->kind == kind ||
           field_fail(field, "%sis %s; expected %s", field->up ? "" : "the document ",
                      kind_word(field->node), expected);
}

static struct field field_of(const struct field *up, const struct yaml_node *node, const char *name)
{
    bool is_absent = !node || node->kind == YAML_KIND_NULL;
    return (struct field){
        .reading = up->reading, .up = up, .name = name, .node = is_absent ? NULL : node};
}

struct field field_get(const struct field *map, const char *name)
{
    bool is_map = is_kind(map, YAML_KIND_MAP, "a map of fields");
    return field_of(map, is_map ? yaml_node_get(map->node, name) : NULL, name);
}

void field_allow_only(const struct field *map, const char *const *names, size_t n)
{
    struct field entry = {0};
    while (field_next_entry(map, &entry)) {
        size_t i = 0;
        while (i < n && strcmp(names[i], entry.name) != 0)
            i++;
        if (i < n)
            continue;
        const char *nearest = option_nearest(slice_str(entry.name), names, n);
        if (nearest)
            field_fail(&entry, "there is no such field; did you mean \"%s\"?", nearest);
        else
            field_fail(&entry, "there is no such field");
        return;
    }
}

bool field_next_item(const struct field *list, struct field *item)
{
    if (!is_kind(list, YAML_KIND_LIST, "a list"))
        return false;
    const struct yaml_node *next = item->up ? item->node->next : list->node->child;
    size_t index = item->up ? item->index + 1 : 0;
    /* An item that is null keeps its node: the reader of the item says what it should have been. */
    *item = (struct field){.reading = list->reading, .up = list, .index = index, .node = next};
    return next != NULL;
}

bool field_next_entry(const struct field *map, struct field *entry)
{
    if (!is_kind(map, YAML_KIND_MAP, "a map"))
        return false;
    const struct yaml_node *next = entry->up ? entry->node->next : map->node->child;
    *entry = (struct field){
        .reading = map->reading, .up = map, .name = next ? next->key : NULL, .node = next};
    return next != NULL;
}

size_t field_count(const struct field *list)
{
    return is_kind(list, YAML_KIND_LIST, "a list") ? list->node->n_children : 0;
}

size_t field_count_some(const struct field *list)
{
    size_t n = field_count(list);
    if (field_is_set(list) && n == 0)
        field_fail(list, "is empty: leave it out, or name at least one");
    return n;
}

static bool is_boolean_text(struct slice text)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on", "off"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (text.len == strlen(words[i]) && strncasecmp(text.ptr, words[i], text.len) == 0)
            return true;
    return false;
}

/* Whole, broken or hexadecimal: what the API server would read as a number. */
static bool is_number_text(struct slice text)
{
    if (text.len == 0 || strspn(text.ptr, "0123456789+-.") == 0)
        return false;
    char *end;
    strtod(text.ptr, &end);
    return end == text.ptr + text.len;
}

static bool is_scalar(const struct field *field, const char *expected)
{
    if (field->reading->has_failed || !field->node)
        return false;
    if (field->node->kind == YAML_KIND_NULL)
        return field_fail(field, "is empty; expected %s", expected);
    return is_kind(field, YAML_KIND_TEXT, expected);
}

struct slice field_slice(const struct field *field)
{
    struct slice nothing = SLICE_LITERAL("");
    if (!is_scalar(field, "a text"))
        return nothing;
    struct slice text = field->node->text;
    if (field->node->is_plain && (is_number_text(text) || is_boolean_text(text))) {
        field_fail(field, "%s is a %s, not a text: put it in quotes", text.ptr,
                   is_number_text(text) ? "number" : "boolean");
        return nothing;
    }
    if (text.len > FIELD_TEXT_MAX) {
        field_fail(field, "is longer than %d bytes", FIELD_TEXT_MAX);
        return nothing;
    }
    return text;
}

const char *field_text(const struct field *field)
{
    struct slice text = field_slice(field);
    if (text.len == 0)
        return "";
    const char *copy = arena_text(field->reading->arena, text);
    return field_has_memory(field, copy) ? copy : "";
}

static void fail_choice(const struct field *field, const char *const *names, size_t n)
{
    char choices[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < n && used < sizeof(choices); i++)
        used += (size_t)snprintf(choices + used, sizeof(choices) - used, "%s%s", i ? ", " : "",
                                 names[i]);
    field_fail(field, "\"%s\" is none of %s", field->node->text.ptr, choices);
}

int field_choice(const struct field *field, const char *const *names, size_t n)
{
    struct slice text = field_slice(field);
    if (!field_is_set(field) || field->reading->has_failed)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (slice_eq_str(text, names[i]))
            return (int)i;
    fail_choice(field, names, n);
    return -1;
}

bool field_is_number(const struct field *field)
{
    const struct yaml_node *node = field->node;
    if (!node || node->kind != YAML_KIND_TEXT || !node->is_plain || node->text.len == 0)
        return false;
    /* YAML 1.1, which Kubernetes reads, takes 010 for 8: better not to guess. */
    bool is_octal = node->text.ptr[0] == '0' && node->text.len > 1;
    return !is_octal && strspn(node->text.ptr, "0123456789") == node->text.len;
}

uint64_t field_uint(const struct field *field, uint64_t min, uint64_t max, uint64_t absent)
{
    if (!is_scalar(field, "a number"))
        return absent;
    struct slice text = field->node->text;
    uint64_t value;
    struct err ignored;
    if (!field->node->is_plain && is_number_text(text))
        field_fail(field, "\"%s\" is a text, not a number: leave out the quotes", text.ptr);
    else if (!field_is_number(field) || !option_parse_uint(text, min, max, &value, &ignored))
        field_fail(field, "\"%s\" is not a number between %" PRIu64 " and %" PRIu64, text.ptr, min,
                   max);
    return field->reading->has_failed ? absent : value;
}

bool field_bool(const struct field *field, bool absent)
{
    if (!is_scalar(field, "true or false"))
        return absent;
    if (field->node->is_plain && slice_eq_str(field->node->text, "true"))
        return true;
    if (!field->node->is_plain || !slice_eq_str(field->node->text, "false"))
        field_fail(field, "\"%s\" is neither true nor false", field->node->text.ptr);
    return false;
}

uint64_t field_duration_ms(const struct field *field, uint64_t min_ms, uint64_t max_ms)
{
    /* A number without a unit is told as such by the parser, so it is not complained of as one. */
    if (!is_scalar(field, "a duration"))
        return 0;
    uint64_t ms;
    struct err err;
    if (option_parse_duration(field->node->text, min_ms, max_ms, &ms, &err))
        return ms;
    field_fail(field, "%s", err.text);
    return 0;
}

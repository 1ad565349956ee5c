#include "controller/objects/value.h"

#include <ctype.h>
#include <string.h>
#include <stdlib.h>
#include <time.h>

#include "common/http/pattern.h"
#include "common/dns_name.h"

#define LABELS_MAX    1000
#define LABEL_KEY_MAX 317 /* a DNS name, a slash and a name of 63 bytes */
#define TEXTS_MAX     10000

const char *field_label_name(const struct field *field)
{
    const char *text = field_text(field);
    if (field_is_set(field) && !field->reading->has_failed && !dns_name_is_label(slice_str(text)))
        field_fail(field, "\"%s\" is no name: expected a-z, 0-9 and -, at most %d bytes", text,
                   DNS_LABEL_MAX_BYTES);
    return text;
}

const char *field_header_name(const struct field *field)
{
    struct err err;
    char *lower =
        field_is_set(field) ? arena_text(field->reading->arena, field_slice(field)) : NULL;
    if (!field_is_set(field) || !field_has_memory(field, lower))
        return "";
    for (char *c = lower; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (!pattern_check(PATTERN_HEADER_NAME, slice_str(lower), &err))
        field_fail(field, "%s", err.text);
    return lower;
}

const char *field_dns_name(const struct field *field)
{
    const char *text = field_text(field);
    if (field_is_set(field) && !field->reading->has_failed && !dns_name_ok(slice_str(text)))
        field_fail(field, "\"%s\" is no name: expected a-z, 0-9, - and ., at most %d bytes", text,
                   DNS_NAME_MAX_BYTES);
    return text;
}

static int compare_labels(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->key, ((const struct label *)b)->key);
}

struct labels field_labels(const struct field *map)
{
    struct labels none = {0};
    size_t n = 0;
    struct field entry = {0};
    while (field_next_entry(map, &entry))
        n++;
    if (n > LABELS_MAX)
        field_fail(map, "has more than %d entries", LABELS_MAX);
    if (n == 0 || map->reading->has_failed)
        return none;
    struct arena *arena = map->reading->arena;
    struct label *list = arena_take_array(arena, n, sizeof(*list));
    if (!field_has_memory(map, list))
        return none;
    n = 0;
    entry = (struct field){0};
    while (field_next_entry(map, &entry)) {
        const char *key = arena_text(arena, slice_str(entry.name));
        if (!field_has_memory(&entry, key))
            return none;
        list[n] = (struct label){key, field_text(&entry)};
        if (strlen(key) > LABEL_KEY_MAX || strlen(list[n].value) > DNS_LABEL_MAX_BYTES)
            field_fail(&entry, "is longer than a label may be: %d bytes, and %d for its value",
                       LABEL_KEY_MAX, DNS_LABEL_MAX_BYTES);
        n++;
    }
    if (map->reading->has_failed)
        return none;
    qsort(list, n, sizeof(*list), compare_labels);
    return (struct labels){list, n};
}

struct labels field_selector(const struct field *selector)
{
    static const char *const names[] = {"matchLabels"};
    field_allow_only(selector, names, 1);
    struct field match = field_get(selector, "matchLabels");
    struct labels labels = field_labels(&match);
    if (field_is_set(selector) && labels.n == 0)
        field_fail(selector, "selects nothing in particular: name labels in matchLabels, or leave "
                             "the selector out to mean the whole namespace");
    return labels;
}

void field_ip(const struct field *field, struct ip *list, size_t *n)
{
    struct slice text = field_slice(field);
    if (!field_is_set(field) || field->reading->has_failed || text.len == 0)
        return;
    struct ip ip;
    if (!ip_parse(text, &ip)) {
        field_fail(field, "\"%s\" is no IP address", text.ptr);
        return;
    }
    for (size_t i = 0; i < *n; i++)
        if (ip_eq(&list[i], &ip))
            return; /* podIP is podIPs[0], clusterIP is clusterIPs[0] */
    list[(*n)++] = ip;
}

int64_t field_time(const struct field *field)
{
    struct slice text = field_slice(field);
    if (!field_is_set(field) || field->reading->has_failed)
        return INT64_MAX;
    struct tm tm = {0};
    const char *end = strptime(text.ptr, "%Y-%m-%dT%H:%M:%S", &tm);
    if (end && *end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    if (!end || strcmp(end, "Z") != 0) {
        field_fail(field, "\"%s\" is no time; expected the form 2026-01-31T12:00:00Z", text.ptr);
        return INT64_MAX;
    }
    return timegm(&tm);
}

struct texts field_texts(const struct field *list,
                         const char *(*check)(const struct field *item, const void *context),
                         const void *context)
{
    struct texts none = {0};
    size_t n = field_count_some(list);
    if (n > TEXTS_MAX)
        field_fail(list, "has more than %d items", TEXTS_MAX);
    if (n == 0 || list->reading->has_failed)
        return none;
    const char **texts = arena_take_array(list->reading->arena, n, sizeof(*texts));
    if (!field_has_memory(list, texts))
        return none;
    struct field item = {0};
    while (field_next_item(list, &item))
        texts[item.index] = check(&item, context);
    return list->reading->has_failed ? none : (struct texts){texts, n};
}

void *field_take_items(const struct field *list, size_t max, size_t size)
{
    size_t n = field_count_some(list);
    if (n > max)
        field_fail(list, "has more than %zu items", max);
    if (n == 0 || list->reading->has_failed)
        return NULL;
    void *taken = arena_take_array(list->reading->arena, n, size);
    if (!field_has_memory(list, taken))
        return NULL;
    memset(taken, 0, n * size);
    return taken;
}

#include "common/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *html_entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

bool text_html(struct buf *out, const char *text)
{
    for (; *text; text++) {
        const char *entity = html_entity(*text);
        if (!buf_append(out, entity ? entity : text, entity ? strlen(entity) : 1))
            return false;
    }
    return true;
}

const char *text_time(int64_t wall_sec, char text[TEXT_TIME_BYTES])
{
    time_t when = (time_t)wall_sec;
    struct tm tm;
    if (wall_sec == 0 || !gmtime_r(&when, &tm) ||
        strftime(text, TEXT_TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(text, TEXT_TIME_BYTES, "never");
    return text;
}

const char *text_span(int64_t seconds, char text[TEXT_SPAN_BYTES])
{
    const char *sign = seconds < 0 ? "-" : "";
    uint64_t s = seconds < 0 ? 0 - (uint64_t)seconds : (uint64_t)seconds;
    if (s >= 86400)
        snprintf(text, TEXT_SPAN_BYTES, "%s%" PRIu64 "d %uh", sign, s / 86400,
                 (unsigned)(s % 86400 / 3600));
    else if (s >= 3600)
        snprintf(text, TEXT_SPAN_BYTES, "%s%uh %um", sign, (unsigned)s / 3600,
                 (unsigned)s % 3600 / 60);
    else if (s >= 60)
        snprintf(text, TEXT_SPAN_BYTES, "%s%um %us", sign, (unsigned)s / 60, (unsigned)s % 60);
    else
        snprintf(text, TEXT_SPAN_BYTES, "%s%us", sign, (unsigned)s);
    return text;
}

static int by_key(const void *a, const void *b)
{
    const struct map_entry *const *one = a, *const *two = b;
    return strcmp((*one)->key.ptr, (*two)->key.ptr);
}

struct map_entry **text_sorted(const struct map *map)
{
    struct map_entry **entries = calloc(map->count + 1, sizeof(*entries));
    size_t n = 0;
    if (!entries)
        return NULL;
    MAP_EACH(entry, map)
        entries[n++] = entry;
    qsort(entries, n, sizeof(*entries), by_key);
    return entries;
}

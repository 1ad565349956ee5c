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

/* How many bytes the character has that begins with this one; 0: none does. */
static size_t utf8_len(uint8_t first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xc2)
        return 0;
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
}

bool text_is_utf8(struct slice text)
{
    const uint8_t *at = (const uint8_t *)text.ptr, *end = at + text.len;
    for (size_t len; at < end; at += len) {
        len = utf8_len(*at);
        if (len == 0 || len > (size_t)(end - at))
            return false;
        for (size_t i = 1; i < len; i++)
            if ((at[i] & 0xc0) != 0x80)
                return false;
        /* Overlong forms, surrogates, beyond U+10FFFF. */
        if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
            (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
            return false;
    }
    return true;
}

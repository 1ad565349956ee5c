#include "controller/objects/problems.h"

#include <stdlib.h>
#include <string.h>

void problems_init(struct problems *problems)
{
    map_init(&problems->by_origin);
}

void problems_fini(struct problems *problems)
{
    map_fini(&problems->by_origin, free);
}

bool problems_set(struct problems *problems, const char *origin, const char *text)
{
    const char *before = map_get(&problems->by_origin, slice_str(origin));
    if (before && strcmp(before, text) == 0)
        return false;
    char *copy = strdup(text);
    void *old = NULL;
    if (!copy || !map_set(&problems->by_origin, slice_str(origin), copy, &old)) {
        free(copy); /* short of memory: the list lacks a line, the log has it */
        return true;
    }
    free(old);
    return true;
}

bool problems_clear(struct problems *problems, const char *origin)
{
    char *text = map_remove(&problems->by_origin, slice_str(origin));
    free(text);
    return text != NULL;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **problems_list(const struct problems *problems)
{
    size_t n = 0;
    const char **list = calloc(problems_count(problems) + 1, sizeof(*list));
    if (!list || problems_count(problems) == 0) {
        free(list);
        return NULL;
    }
    MAP_EACH(entry, &problems->by_origin)
        list[n++] = entry->value;
    qsort(list, n, sizeof(*list), compare_texts);
    return list;
}

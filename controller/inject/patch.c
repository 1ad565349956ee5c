#include "controller/inject/patch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 512

static bool append(json_t *patch, const char *operation, json_t *value, const char *format,
                   va_list args)
{
    char path[PATH_BYTES];
    vsnprintf(path, sizeof(path), format, args);
    json_t *entry = json_pack("{s:s, s:s}", "op", operation, "path", path);
    if (!entry || (value && json_object_set(entry, "value", value) < 0)) {
        json_decref(entry);
        return false;
    }
    return json_array_append_new(patch, entry) == 0;
}

bool patch_add(json_t *patch, json_t *value, const char *path, ...)
{
    va_list args;
    va_start(args, path);
    bool is_done = value && append(patch, "add", value, path, args);
    va_end(args);
    json_decref(value);
    return is_done;
}

bool patch_replace(json_t *patch, json_t *value, const char *path, ...)
{
    va_list args;
    va_start(args, path);
    bool is_done = value && append(patch, "replace", value, path, args);
    va_end(args);
    json_decref(value);
    return is_done;
}

bool patch_remove(json_t *patch, const char *path, ...)
{
    va_list args;
    va_start(args, path);
    bool is_done = append(patch, "remove", NULL, path, args);
    va_end(args);
    return is_done;
}

/* ---- carrying it out ---------------------------------------------------------------------------
 */

/* The next part of a JSON pointer, with ~1 and ~0 undone. NULL at the end. */
static const char *next_part(const char *path, char part[PATH_BYTES])
{
    size_t used = 0;
    if (*path != '/')
        return NULL;
    for (path++; *path && *path != '/' && used < PATH_BYTES - 1; path++) {
        bool is_escape = path[0] == '~' && (path[1] == '0' || path[1] == '1');
        part[used++] = is_escape ? (path[1] == '1' ? '/' : '~') : *path;
        path += is_escape;
    }
    part[used] = '\0';
    return path;
}

/* "-" is behind the last one. */
static bool array_index(const json_t *array, const char *part, size_t *index)
{
    char *end;
    *index = json_array_size(array);
    if (strcmp(part, "-") == 0)
        return true;
    if (*part < '0' || *part > '9')
        return false;
    *index = strtoul(part, &end, 10);
    return *end == '\0';
}

static json_t *child_of(json_t *in, const char *part)
{
    size_t index;
    if (json_is_object(in))
        return json_object_get(in, part);
    return json_is_array(in) && array_index(in, part, &index) ? json_array_get(in, index) : NULL;
}

static bool change(json_t *in, const char *part, const char *operation, json_t *value)
{
    size_t index;
    bool is_removal = strcmp(operation, "remove") == 0;
    bool is_addition = strcmp(operation, "add") == 0;
    if (!is_addition && !child_of(in, part))
        return false;
    if (json_is_object(in))
        return (is_removal ? json_object_del(in, part) : json_object_set(in, part, value)) == 0;
    if (!json_is_array(in) || !array_index(in, part, &index))
        return false;
    if (is_removal)
        return json_array_remove(in, index) == 0;
    return (is_addition ? json_array_insert(in, index, value) : json_array_set(in, index, value)) ==
           0;
}

static bool apply_one(json_t *document, const json_t *entry)
{
    char part[PATH_BYTES] = "", next[PATH_BYTES] = "";
    const char *operation = json_string_value(json_object_get(entry, "op"));
    const char *path = json_string_value(json_object_get(entry, "path"));
    json_t *in = document;
    const char *rest = operation && path ? next_part(path, part) : NULL;
    while (rest && *rest) {
        in = child_of(in, part);
        rest = in ? next_part(rest, next) : NULL;
        memcpy(part, next, sizeof(part));
    }
    json_t *copy = json_deep_copy(json_object_get(entry, "value"));
    bool is_done = rest && change(in, part, operation, copy);
    json_decref(copy);
    return is_done;
}

bool patch_apply(json_t *document, const json_t *patch)
{
    for (size_t i = 0; i < json_array_size(patch); i++)
        if (!apply_one(document, json_array_get(patch, i)))
            return false;
    return true;
}

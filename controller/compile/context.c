#include "controller/compile/context.h"

#include <stdarg.h>
#include <stdio.h>

#include "controller/objects/keys.h"

void compile_init(struct compile *compile, const struct store *store,
                  const struct compile_settings *settings)
{
    *compile = (struct compile){.store = store, .settings = settings};
}

void compile_fini(struct compile *compile)
{
    arena_fini(&compile->arena);
    map_fini(&compile->keys, NULL);
    map_fini(&compile->consumers, NULL);
}

void compile_note_consumer(struct compile *compile, const char *namespace)
{
    if (!map_set(&compile->consumers, slice_str(namespace), compile, NULL))
        compile->is_short = true;
}

struct found compile_find(struct compile *compile, const char *key)
{
    if (!map_set(&compile->keys, slice_str(key), compile, NULL))
        compile->is_short = true;
    return store_find(compile->store, key);
}

const struct object *compile_get(struct compile *compile, enum object_kind kind,
                                 const char *namespace, const char *name)
{
    char key[STORE_KEY_BYTES];
    if (!*name)
        return NULL; /* the key would be the one of the whole namespace */
    struct found found = compile_find(compile, key_of_name(key, kind, namespace, name));
    return found.n ? found.list[0] : NULL;
}

void *compile_take(struct compile *compile, size_t n, size_t size)
{
    void *taken = arena_take_array(&compile->arena, n ? n : 1, n ? size : 1);
    if (!taken)
        compile->is_short = true;
    return taken;
}

char *compile_text(struct compile *compile, const char *format, ...)
{
    static char nothing[] = ""; /* protobuf-c's texts are not const; nobody writes to them */
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : compile_take(compile, (size_t)len + 1, 1);
    if (!text)
        return nothing;
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}

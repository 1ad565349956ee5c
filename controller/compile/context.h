/*
 * One compilation: what it reads, what it has looked up so far, and the memory of what it makes.
 * Every lookup goes through here, so that no dependency can be forgotten.
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_CONTEXT_H
#define OUTRIGGER_CONTROLLER_COMPILE_CONTEXT_H

#include "common/arena.h"
#include "common/map.h"
#include "controller/compile/compile.h"
#include "controller/objects/store.h"

struct compile {
    const struct store *store;
    const struct compile_settings *settings;
    struct arena arena; /* messages and texts, until they are serialized */
    struct map keys;    /* that were looked up */
    /*
     * For the callers of which namespace; NULL: of all that have no routes of their own. And the
     * namespaces that have, as they are met.
     */
    const char *consumer;
    struct map consumers;
    bool is_short; /* of memory: what is made now is not to be used */
};

void compile_init(struct compile *compile, const struct store *store,
                  const struct compile_settings *settings);
void compile_fini(struct compile *compile);

/* As store_find() and store_get(), and remembers the key. */
struct found compile_find(struct compile *compile, const char *key);
const struct object *compile_get(struct compile *compile, enum object_kind kind,
                                 const char *namespace, const char *name);

/* This namespace has routes of its own to what is compiled. */
void compile_note_consumer(struct compile *compile, const char *namespace);

/*
 * n zeroed elements, or NULL with is_short set. With n = 0 there is one byte, so that NULL always
 * means short of memory.
 */
void *compile_take(struct compile *compile, size_t n, size_t size) MUST_USE;

/* Formatted text; "" with is_short set when memory is short. Never NULL. */
char *compile_text(struct compile *compile, const char *format, ...) PRINTF_LIKE(2, 3);

#endif

#include "controller/source/skipped.h"

#include <stdlib.h>

void skipped_fini(struct skipped *skipped)
{
    map_fini(&skipped->by_kind, free);
}

static void add(struct skipped *skipped, struct slice kind, const struct skipped_kind *more)
{
    struct skipped_kind *known = map_get(&skipped->by_kind, kind);
    if (!known) {
        known = calloc(1, sizeof(*known));
        if (!known || !map_set(&skipped->by_kind, kind, known, NULL)) {
            free(known);
            return;
        }
    }
    if (!known->file || strcmp(more->file, known->file) < 0) {
        known->file = more->file;
        known->line = more->line;
    }
    known->n += more->n;
}

void skipped_add(struct skipped *skipped, const char *kind, const char *file, unsigned line)
{
    add(skipped, slice_str(kind), &(struct skipped_kind){.n = 1, .file = file, .line = line});
}

void skipped_add_all(struct skipped *skipped, const struct skipped *other)
{
    MAP_EACH(entry, &other->by_kind)
        add(skipped, entry->key, entry->value);
}

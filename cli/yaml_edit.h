/*
 * A document's text changed so that it says what a changed JSON says, and nothing else of it is
 * touched: what is new is put in, what is another is put in its place, comments and order stay.
 */
#ifndef OUTRIGGER_CLI_YAML_EDIT_H
#define OUTRIGGER_CLI_YAML_EDIT_H

#include "cli/yaml_tree.h"
#include "common/buf.h"

struct yaml_change {
    size_t start, end; /* bytes of the text that go */
    char *text;        /* what comes, malloc'd */
    size_t len;
};

/* In the order of the text. `(struct yaml_edit){0}` is an empty one. */
struct yaml_edit {
    struct yaml_change *list;
    size_t n, size;
};
void yaml_edit_fini(struct yaml_edit *edit);

/* Appends the changes that make of `document`, which says `before`, one that says `after`. False:
 * no memory. */
bool yaml_edit_document(struct yaml_edit *edit, struct slice text, const struct yaml_tree *document,
                        const json_t *before, const json_t *after) MUST_USE;

/* The same, as one change: the document is written anew. */
bool yaml_edit_rewrite(struct yaml_edit *edit, struct slice text, const struct yaml_tree *document,
                       const json_t *after) MUST_USE;

/* The text with all changes made. */
bool yaml_edit_apply(struct yaml_edit *edit, struct slice text, struct buf *out) MUST_USE;

#endif

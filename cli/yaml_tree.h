/*
 * A YAML stream as a tree that knows where everything stands in the text, so that a text can be
 * changed in a few places and stay as its author wrote it.
 */
#ifndef OUTRIGGER_CLI_YAML_TREE_H
#define OUTRIGGER_CLI_YAML_TREE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/slice.h"

#define YAML_TREE_DEPTH_MAX 100

enum yaml_tree_kind { YAML_SCALAR, YAML_LIST, YAML_MAP, YAML_ALIAS };

struct yaml_tree {
    enum yaml_tree_kind kind;
    bool is_plain;        /* a scalar without quotes */
    bool is_block_scalar; /* | or > */
    bool is_flow;         /* [...] or {...} */
    bool is_marked;       /* has an anchor or a tag of its own */
    unsigned line;        /* 1-based */
    size_t column;     /* 0-based, in characters: of a block map's keys, of a block list's dashes */
    size_t start, end; /* bytes; of a block list or map `end` means nothing */
    const char *key;   /* of a map's child; else NULL */
    size_t key_end;    /* byte after it */
    struct slice text; /* of a scalar */
    const struct yaml_tree *parent; /* NULL: a document */
    struct yaml_tree *child, *next; /* of a document: the next one */
    size_t n_children;
};

/* All documents; NULL for none. On failure `err` says "LINE: what". */
bool yaml_tree_read(struct slice text, struct arena *arena, struct yaml_tree **first,
                    struct err *err) MUST_USE;

/* The child of a map, or NULL. */
const struct yaml_tree *yaml_tree_get(const struct yaml_tree *map, const char *key);

/* Where a node's last character is, and one more. */
size_t yaml_tree_end(const struct yaml_tree *node, struct slice text);

/*
 * What the API server would make of it, a new reference. NULL with "LINE: what" for what cannot be
 * taken over: aliases, tags, keys twice.
 */
json_t *yaml_tree_json(const struct yaml_tree *node, struct err *err) MUST_USE;

#endif

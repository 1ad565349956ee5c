/*
 * YAML text as a tree of nodes that know their line. Only what a Kubernetes manifest needs: maps,
 * lists, scalars, many documents in a file. Refused, with the line: a key twice in one map,
 * anchors, aliases and merge keys (their expansion is how small files become large), tags, and
 * whatever is deeper or larger than the limits.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_YAML_NODE_H
#define OUTRIGGER_CONTROLLER_OBJECTS_YAML_NODE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/slice.h"

#define YAML_DEPTH_MAX 64      /* maps and lists in each other */
#define YAML_NODES_MAX 1000000 /* in a file */

enum yaml_kind { YAML_KIND_NULL, YAML_KIND_TEXT, YAML_KIND_LIST, YAML_KIND_MAP };

struct yaml_node {
    enum yaml_kind kind;
    bool is_plain;           /* a text without quotes: it may mean a number or a boolean */
    unsigned line;           /* 1-based; of a map's or list's first child */
    const char *key;         /* a map's child; else NULL */
    struct slice text;       /* NUL-terminated */
    struct yaml_node *child; /* the first one of a list or map */
    struct yaml_node *next;  /* the next child of the same list or map; the next document */
    size_t n_children;
};

/*
 * Reads all documents; `*first` is the first one, the others hang on `next`. Nodes and texts lie in
 * `arena`. `*first` is NULL when there is no document. On failure `err` says "LINE: what".
 */
bool yaml_read(struct slice text, struct arena *arena, struct yaml_node **first,
               struct err *err) MUST_USE;

/* The child of a map, or NULL (also when `node` is NULL or no map). */
const struct yaml_node *yaml_node_get(const struct yaml_node *node, const char *key);

#endif

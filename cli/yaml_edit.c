#include "cli/yaml_edit.h"

#include <stdlib.h>
#include <string.h>

#include "cli/yaml_write.h"

#define CHANGE_MAX_BYTES (16u << 20)

struct editing {
    struct yaml_edit *edit;
    struct slice text;
};

void yaml_edit_fini(struct yaml_edit *edit)
{
    for (size_t i = 0; i < edit->n; i++)
        free(edit->list[i].text);
    free(edit->list);
    *edit = (struct yaml_edit){0};
}

/* ---- one change --------------------------------------------------------------------------------
 */

/* Takes the text over, if it is all there. */
static bool change(struct editing *editing, size_t start, size_t end, struct buf *text,
                   bool is_whole)
{
    struct yaml_edit *edit = editing->edit;
    if (is_whole && edit->n == edit->size) {
        size_t size = edit->size ? edit->size * 2 : 16;
        struct yaml_change *list = reallocarray(edit->list, size, sizeof(*list));
        is_whole = list != NULL;
        if (list) {
            edit->list = list;
            edit->size = size;
        }
    }
    struct slice bytes = buf_slice(text);
    char *copy = is_whole ? malloc(bytes.len + 1) : NULL;
    if (copy) {
        memcpy(copy, bytes.ptr ? bytes.ptr : "", bytes.len);
        edit->list[edit->n++] =
            (struct yaml_change){.start = start, .end = end, .text = copy, .len = bytes.len};
    }
    buf_fini(text);
    return copy != NULL;
}

/* After what stands on the line, a comment included. */
static size_t line_end(const struct editing *editing, size_t at)
{
    const char *text = editing->text.ptr;
    while (at < editing->text.len && text[at] != '\n')
        at++;
    while (at > 0 && at < editing->text.len && text[at - 1] == '\r')
        at--;
    return at;
}

static bool is_in_flow(const struct yaml_tree *node)
{
    return node->parent && node->parent->is_flow;
}

static bool replace(struct editing *editing, const struct yaml_tree *node, const json_t *value)
{
    const struct yaml_tree *parent = node->parent;
    size_t start = node->start, end = yaml_tree_end(node, editing->text);
    struct buf text;
    bool is_good;
    buf_init(&text, CHANGE_MAX_BYTES);
    if (is_in_flow(node)) {
        is_good = yaml_write_flow(&text, value);
    } else if (parent && parent->kind == YAML_MAP) {
        /* From the key on: the value may move to lines of its own. */
        struct buf field;
        buf_init(&field, CHANGE_MAX_BYTES);
        is_good = yaml_write_field(&field, "k", value, parent->column) &&
                  buf_append(&text, ":", 1) &&
                  buf_append(&text, buf_slice(&field).ptr + 2, buf_len(&field) - 2);
        buf_fini(&field);
        start = node->key_end;
    } else {
        is_good = yaml_write_block(&text, value, node->column);
    }
    return change(editing, start, end, &text, is_good);
}

/* A field at a map's end. */
static bool add_field(struct editing *editing, const struct yaml_tree *map, const char *key,
                      const json_t *value)
{
    struct buf text;
    size_t at;
    bool is_good;
    buf_init(&text, CHANGE_MAX_BYTES);
    if (map->is_flow) {
        json_t *name = json_string(key);
        is_good = name && (map->n_children == 0 || buf_append(&text, ", ", 2)) &&
                  yaml_write_flow(&text, name) && buf_append(&text, ": ", 2) &&
                  yaml_write_flow(&text, value);
        json_decref(name);
        at = map->end - 1;
    } else {
        is_good = yaml_write_newline(&text, map->column) &&
                  yaml_write_field(&text, key, value, map->column);
        at = line_end(editing, yaml_tree_end(map, editing->text));
    }
    return change(editing, at, at, &text, is_good);
}

/* An item in front of a list, or at its end. */
static bool add_item(struct editing *editing, const struct yaml_tree *list, const json_t *value,
                     bool is_front)
{
    struct buf text;
    size_t at;
    bool is_good;
    buf_init(&text, CHANGE_MAX_BYTES);
    if (list->is_flow) {
        bool has_others = list->n_children > 0;
        is_good = (is_front || !has_others || buf_append(&text, ", ", 2)) &&
                  yaml_write_flow(&text, value) &&
                  (!is_front || !has_others || buf_append(&text, ", ", 2));
        at = is_front ? list->start + 1 : list->end - 1;
    } else {
        is_good = yaml_write_newline(&text, list->column) && buf_append(&text, "- ", 2) &&
                  yaml_write_block(&text, value, list->column + 2);
        /* Below the key, so that a comment above the first item stays with it. */
        at = line_end(editing, is_front ? list->key_end : yaml_tree_end(list, editing->text));
    }
    return change(editing, at, at, &text, is_good);
}

/* ---- what is to be changed ---------------------------------------------------------------------
 */

static bool edit_node(struct editing *editing, const struct yaml_tree *node, const json_t *before,
                      const json_t *after);

static bool edit_map(struct editing *editing, const struct yaml_tree *map, const json_t *before,
                     const json_t *after)
{
    const char *key;
    json_t *value;
    bool is_good = true;
    for (const struct yaml_tree *child = map->child; child && is_good; child = child->next) {
        value = json_object_get(after, child->key);
        if (!value)
            return replace(editing, map, after);
    }
    for (const struct yaml_tree *child = map->child; child && is_good; child = child->next)
        is_good = edit_node(editing, child, json_object_get(before, child->key),
                            json_object_get(after, child->key));
    json_object_foreach((json_t *)after, key, value)
    {
        if (is_good && !json_object_get(before, key))
            is_good = add_field(editing, map, key, value);
    }
    return is_good;
}

static bool is_same_item(const json_t *a, const json_t *b)
{
    const json_t *name = json_object_get(a, "name");
    return json_equal(a, b) || (name && json_equal(name, json_object_get(b, "name")));
}

/* How many items of `after` stand before those of `before`, all of which are in it, in a row. */
static bool find_items(const json_t *before, const json_t *after, size_t *front)
{
    size_t n = json_array_size(before), n_after = json_array_size(after);
    *front = 0;
    if (n == n_after) /* each may have changed, as the items of a List do */
        return true;
    for (; *front + n <= n_after; ++*front) {
        size_t i = 0;
        while (i < n && is_same_item(json_array_get(before, i), json_array_get(after, *front + i)))
            i++;
        if (i == n)
            return true;
    }
    return false;
}

static bool edit_list(struct editing *editing, const struct yaml_tree *list, const json_t *before,
                      const json_t *after)
{
    size_t front, n = json_array_size(before), i = 0;
    bool is_good = true;
    /* A block list that has no key begins on the line of another's dash. */
    if (!find_items(before, after, &front) || n == 0 || (!list->is_flow && !list->key))
        return replace(editing, list, after);
    for (; is_good && i < front; i++)
        is_good = add_item(editing, list, json_array_get(after, i), true);
    for (const struct yaml_tree *child = list->child; is_good && child; child = child->next, i++)
        is_good =
            edit_node(editing, child, json_array_get(before, i - front), json_array_get(after, i));
    for (; is_good && i < json_array_size(after); i++)
        is_good = add_item(editing, list, json_array_get(after, i), false);
    return is_good;
}

static bool edit_node(struct editing *editing, const struct yaml_tree *node, const json_t *before,
                      const json_t *after)
{
    if (json_equal(before, after))
        return true;
    if (node->kind == YAML_MAP && json_is_object(after) && node->n_children > 0)
        return edit_map(editing, node, before, after);
    if (node->kind == YAML_LIST && json_is_array(after))
        return edit_list(editing, node, before, after);
    return replace(editing, node, after);
}

bool yaml_edit_document(struct yaml_edit *edit, struct slice text, const struct yaml_tree *document,
                        const json_t *before, const json_t *after)
{
    struct editing editing = {edit, text};
    return edit_node(&editing, document, before, after);
}

bool yaml_edit_rewrite(struct yaml_edit *edit, struct slice text, const struct yaml_tree *document,
                       const json_t *after)
{
    struct editing editing = {edit, text};
    return replace(&editing, document, after);
}

/* ---- the text ----------------------------------------------------------------------------------
 */

/* By place; what is put into the same place comes in the order in which it was found. */
static void sort(struct yaml_edit *edit)
{
    for (size_t i = 1; i < edit->n; i++) {
        struct yaml_change moving = edit->list[i];
        size_t at = i;
        for (; at > 0 && edit->list[at - 1].start > moving.start; at--)
            edit->list[at] = edit->list[at - 1];
        edit->list[at] = moving;
    }
}

bool yaml_edit_apply(struct yaml_edit *edit, struct slice text, struct buf *out)
{
    size_t at = 0;
    bool is_good = true;
    sort(edit);
    for (size_t i = 0; i < edit->n && is_good; i++) {
        const struct yaml_change *one = &edit->list[i];
        is_good = one->start >= at && buf_append(out, text.ptr + at, one->start - at) &&
                  buf_append(out, one->text, one->len);
        at = one->end > at ? one->end : at;
    }
    return is_good && buf_append(out, text.ptr + at, text.len - at);
}

#include "controller/objects/yaml_node.h"

#include <yaml.h>

#include "common/map.h"

/* Up to so many keys are compared with each other; beyond it a map of keys is kept. */
#define KEYS_COMPARED 16

/* A map or list that has not ended yet. */
struct open_node {
    struct yaml_node *node;
    struct yaml_node *last; /* child */
    const char *key;        /* read, and waiting for its value */
    struct map keys;        /* of a large map */
};

struct reader {
    yaml_parser_t parser;
    struct arena *arena;
    struct err *err;
    struct open_node open[YAML_DEPTH_MAX];
    size_t depth;
    size_t n_nodes;
    struct yaml_node *first_document;
    struct yaml_node *last_document;
};

static bool fail_memory(struct reader *reader, unsigned line)
{
    return err_set(reader->err, "%u: out of memory", line);
}

static bool is_null_text(struct slice text)
{
    return text.len == 0 || slice_eq_str(text, "~") || slice_eq_str(text, "null") ||
           slice_eq_str(text, "Null") || slice_eq_str(text, "NULL");
}

static bool key_is_new(struct reader *reader, struct open_node *in, const char *key, unsigned line)
{
    bool is_known = false;
    if (in->node->n_children < KEYS_COMPARED) {
        for (const struct yaml_node *child = in->node->child; child; child = child->next)
            is_known = is_known || strcmp(child->key, key) == 0;
    } else {
        /* The children so far enter the table when it is first needed. */
        if (in->keys.count == 0)
            for (struct yaml_node *child = in->node->child; child; child = child->next)
                if (!map_set(&in->keys, slice_str(child->key), child, NULL))
                    return fail_memory(reader, line);
        void *before = NULL;
        if (!map_set(&in->keys, slice_str(key), in->node, &before))
            return fail_memory(reader, line);
        is_known = before != NULL;
    }
    return !is_known || err_set(reader->err, "%u: key \"%s\" is there twice", line, key);
}

/* Hangs a node where it belongs: as a document, as a list's item, or under the key just read. */
static struct yaml_node *add_node(struct reader *reader, enum yaml_kind kind, unsigned line)
{
    if (++reader->n_nodes > YAML_NODES_MAX) {
        err_set(reader->err, "%u: more than %d values in one file", line, YAML_NODES_MAX);
        return NULL;
    }
    struct yaml_node *node = arena_take(reader->arena, sizeof(*node));
    if (!node) {
        fail_memory(reader, line);
        return NULL;
    }
    node->kind = kind;
    node->line = line;
    if (reader->depth == 0) {
        if (reader->last_document)
            reader->last_document->next = node;
        else
            reader->first_document = node;
        reader->last_document = node;
        return node;
    }
    struct open_node *in = &reader->open[reader->depth - 1];
    node->key = in->key;
    in->key = NULL;
    if (in->last)
        in->last->next = node;
    else
        in->node->child = node;
    in->last = node;
    in->node->n_children++;
    return node;
}

static bool on_key(struct reader *reader, struct open_node *in, struct slice text, unsigned line)
{
    if (memchr(text.ptr, '\0', text.len))
        return err_set(reader->err, "%u: a key holds a NUL byte", line);
    if (slice_eq_str(text, "<<"))
        return err_set(reader->err, "%u: merge keys (<<) are not taken: write the fields out",
                       line);
    char *key = arena_text(reader->arena, text);
    if (!key)
        return fail_memory(reader, line);
    if (!key_is_new(reader, in, key, line))
        return false;
    in->key = key;
    return true;
}

static bool on_scalar(struct reader *reader, const yaml_event_t *event, unsigned line)
{
    struct slice text = slice_of((const char *)event->data.scalar.value, event->data.scalar.length);
    struct open_node *in = reader->depth ? &reader->open[reader->depth - 1] : NULL;
    if (in && in->node->kind == YAML_KIND_MAP && !in->key)
        return on_key(reader, in, text, line);
    if (memchr(text.ptr, '\0', text.len))
        return err_set(reader->err, "%u: a value holds a NUL byte", line);
    bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    struct yaml_node *node =
        add_node(reader, is_plain && is_null_text(text) ? YAML_KIND_NULL : YAML_KIND_TEXT, line);
    if (!node)
        return false;
    node->is_plain = is_plain;
    node->text = slice_of(arena_text(reader->arena, text), text.len);
    return node->text.ptr || fail_memory(reader, line);
}

static bool on_open(struct reader *reader, enum yaml_kind kind, unsigned line)
{
    struct open_node *in = reader->depth ? &reader->open[reader->depth - 1] : NULL;
    if (in && in->node->kind == YAML_KIND_MAP && !in->key)
        return err_set(reader->err, "%u: a key must be a text, not a list or map", line);
    if (reader->depth == YAML_DEPTH_MAX)
        return err_set(reader->err, "%u: more than %d lists and maps in each other", line,
                       YAML_DEPTH_MAX);
    struct yaml_node *node = add_node(reader, kind, line);
    if (!node)
        return false;
    reader->open[reader->depth++] = (struct open_node){.node = node};
    return true;
}

static void close_node(struct reader *reader)
{
    map_fini(&reader->open[--reader->depth].keys, NULL);
}

static bool has_tag_or_anchor(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.tag || event->data.scalar.anchor;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.tag || event->data.sequence_start.anchor;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.tag || event->data.mapping_start.anchor;
    default:
        return event->type == YAML_ALIAS_EVENT;
    }
}

static bool on_event(struct reader *reader, const yaml_event_t *event)
{
    unsigned line = (unsigned)event->start_mark.line + 1;
    if (has_tag_or_anchor(event))
        return err_set(reader->err,
                       "%u: anchors (&), aliases (*) and tags (!) are not taken: write it out",
                       line);
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(reader, event, line);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(reader, YAML_KIND_LIST, line);
    case YAML_MAPPING_START_EVENT:
        return on_open(reader, YAML_KIND_MAP, line);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        close_node(reader);
        return true;
    default:
        return true;
    }
}

static bool fail_syntax(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_MEMORY_ERROR)
        return fail_memory(reader, (unsigned)parser->mark.line + 1);
    unsigned line = (unsigned)parser->problem_mark.line + 1;
    return err_set(reader->err, "%u: not YAML: %s", line,
                   parser->problem ? parser->problem : "cannot be read");
}

bool yaml_read(struct slice text, struct arena *arena, struct yaml_node **first, struct err *err)
{
    struct reader reader = {.arena = arena, .err = err};
    *first = NULL;
    if (!yaml_parser_initialize(&reader.parser))
        return fail_memory(&reader, 1);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text.ptr, text.len);
    bool is_good = true, is_end = false;
    while (is_good && !is_end) {
        yaml_event_t event;
        if (!yaml_parser_parse(&reader.parser, &event)) {
            is_good = fail_syntax(&reader);
            break;
        }
        is_good = on_event(&reader, &event);
        is_end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    while (reader.depth > 0)
        close_node(&reader);
    yaml_parser_delete(&reader.parser);
    if (is_good)
        *first = reader.first_document;
    return is_good;
}

const struct yaml_node *yaml_node_get(const struct yaml_node *node, const char *key)
{
    if (!node || node->kind != YAML_KIND_MAP)
        return NULL;
    for (const struct yaml_node *child = node->child; child; child = child->next)
        if (strcmp(child->key, key) == 0)
            return child;
    return NULL;
}

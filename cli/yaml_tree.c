#include "cli/yaml_tree.h"

#include <stdlib.h>
#include <yaml.h>

#define BOM "\xef\xbb\xbf"

struct reader {
    yaml_parser_t parser;
    struct arena *arena;
    struct err *err;
    struct slice text;
    size_t at_char, at_byte; /* libyaml counts characters: how far we have counted along */
    struct yaml_tree *open[YAML_TREE_DEPTH_MAX];
    struct yaml_tree *last[YAML_TREE_DEPTH_MAX];
    const char *key[YAML_TREE_DEPTH_MAX]; /* read, and waiting for its value */
    size_t key_end[YAML_TREE_DEPTH_MAX];
    size_t depth;
    struct yaml_tree *first_document, *last_document;
};

/* ---- reading -----------------------------------------------------------------------------------
 */

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* Marks come nearly in order, so that this counts each character about once. */
static size_t byte_of(struct reader *reader, const yaml_mark_t *mark)
{
    const char *text = reader->text.ptr;
    while (reader->at_char > mark->index) {
        reader->at_byte--;
        reader->at_char -= !is_continuation(text[reader->at_byte]);
    }
    while (reader->at_char < mark->index && reader->at_byte < reader->text.len) {
        reader->at_byte++;
        while (reader->at_byte < reader->text.len && is_continuation(text[reader->at_byte]))
            reader->at_byte++;
        reader->at_char++;
    }
    return reader->at_byte;
}

static bool fail_memory(struct reader *reader)
{
    return err_set(reader->err, "%zu: out of memory", reader->parser.mark.line + 1);
}

static struct yaml_tree *add(struct reader *reader, enum yaml_tree_kind kind,
                             const yaml_event_t *event)
{
    struct yaml_tree *node = arena_take(reader->arena, sizeof(*node));
    if (!node) {
        fail_memory(reader);
        return NULL;
    }
    *node = (struct yaml_tree){.kind = kind,
                               .line = (unsigned)event->start_mark.line + 1,
                               .column = event->start_mark.column,
                               .start = byte_of(reader, &event->start_mark),
                               .end = byte_of(reader, &event->end_mark)};
    if (reader->depth == 0) {
        if (reader->last_document)
            reader->last_document->next = node;
        else
            reader->first_document = node;
        reader->last_document = node;
        return node;
    }
    size_t at = reader->depth - 1;
    node->parent = reader->open[at];
    node->key = reader->key[at];
    node->key_end = reader->key_end[at];
    reader->key[at] = NULL;
    if (reader->last[at])
        reader->last[at]->next = node;
    else
        reader->open[at]->child = node;
    reader->last[at] = node;
    reader->open[at]->n_children++;
    return node;
}

static bool awaits_key(const struct reader *reader)
{
    return reader->depth > 0 && reader->open[reader->depth - 1]->kind == YAML_MAP &&
           !reader->key[reader->depth - 1];
}

static bool on_scalar(struct reader *reader, const yaml_event_t *event)
{
    struct slice text = slice_of((const char *)event->data.scalar.value, event->data.scalar.length);
    char *copy = arena_text(reader->arena, text);
    if (!copy)
        return fail_memory(reader);
    if (awaits_key(reader)) {
        reader->key[reader->depth - 1] = copy;
        reader->key_end[reader->depth - 1] = byte_of(reader, &event->end_mark);
        return true;
    }
    struct yaml_tree *node = add(reader, YAML_SCALAR, event);
    if (!node)
        return false;
    node->text = slice_of(copy, text.len);
    node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->is_block_scalar = event->data.scalar.style == YAML_LITERAL_SCALAR_STYLE ||
                            event->data.scalar.style == YAML_FOLDED_SCALAR_STYLE;
    node->is_marked = event->data.scalar.tag || event->data.scalar.anchor;
    return true;
}

static bool on_open(struct reader *reader, enum yaml_tree_kind kind, const yaml_event_t *event)
{
    unsigned line = (unsigned)event->start_mark.line + 1;
    if (awaits_key(reader))
        return err_set(reader->err, "%u: a key must be a text, not a list or map", line);
    if (reader->depth == YAML_TREE_DEPTH_MAX)
        return err_set(reader->err, "%u: more than %d lists and maps in each other", line,
                       YAML_TREE_DEPTH_MAX);
    struct yaml_tree *node = add(reader, kind, event);
    if (!node)
        return false;
    if (kind == YAML_MAP) {
        node->is_flow = event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
        node->is_marked = event->data.mapping_start.tag || event->data.mapping_start.anchor;
    } else {
        node->is_flow = event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
        node->is_marked = event->data.sequence_start.tag || event->data.sequence_start.anchor;
    }
    reader->open[reader->depth] = node;
    reader->last[reader->depth] = NULL;
    reader->key[reader->depth++] = NULL;
    return true;
}

static bool on_event(struct reader *reader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(reader, event);
    case YAML_ALIAS_EVENT:
        if (awaits_key(reader))
            return err_set(reader->err, "%zu: an alias as a key is not taken",
                           event->start_mark.line + 1);
        return add(reader, YAML_ALIAS, event) != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return on_open(reader, YAML_LIST, event);
    case YAML_MAPPING_START_EVENT:
        return on_open(reader, YAML_MAP, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        reader->depth--;
        reader->open[reader->depth]->end = byte_of(reader, &event->end_mark);
        return true;
    default:
        return true;
    }
}

static bool fail_syntax(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_MEMORY_ERROR)
        return fail_memory(reader);
    return err_set(reader->err, "%zu: not YAML: %s", parser->problem_mark.line + 1,
                   parser->problem ? parser->problem : "cannot be read");
}

bool yaml_tree_read(struct slice text, struct arena *arena, struct yaml_tree **first,
                    struct err *err)
{
    struct reader reader = {.arena = arena, .err = err, .text = text};
    *first = NULL;
    reader.at_byte = slice_starts_with(text, SLICE_LITERAL(BOM)) ? strlen(BOM) : 0;
    if (!yaml_parser_initialize(&reader.parser))
        return err_set(err, "1: out of memory");
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text.ptr + reader.at_byte,
                                 text.len - reader.at_byte);
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
    yaml_parser_delete(&reader.parser);
    if (is_good)
        *first = reader.first_document;
    return is_good;
}

/* ---- looking -----------------------------------------------------------------------------------
 */

const struct yaml_tree *yaml_tree_get(const struct yaml_tree *map, const char *key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    for (const struct yaml_tree *child = map->child; child; child = child->next)
        if (strcmp(child->key, key) == 0)
            return child;
    return NULL;
}

size_t yaml_tree_end(const struct yaml_tree *node, struct slice text)
{
    size_t end = node->end;
    if ((node->kind == YAML_MAP || node->kind == YAML_LIST) && !node->is_flow && node->child) {
        const struct yaml_tree *last = node->child;
        while (last->next)
            last = last->next;
        return yaml_tree_end(last, text);
    }
    while (node->is_block_scalar && end > node->start && strchr("\r\n", text.ptr[end - 1]))
        end--;
    return end;
}

static bool is_word(struct slice text, const char *const *words)
{
    for (; *words; words++)
        if (slice_eq_str(text, *words))
            return true;
    return false;
}

static json_t *scalar_json(const struct yaml_tree *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    struct slice text = node->text;
    size_t sign = text.len > 1 && text.ptr[0] == '-';
    size_t n_digits = text.len ? strspn(text.ptr + sign, "0123456789") : 0;
    /* 010 is 8 in YAML 1.1: as a text it is at least not another number. */
    bool is_octal = n_digits > 1 && text.ptr[sign] == '0';
    if (node->is_plain && is_word(text, nulls))
        return json_null();
    if (node->is_plain && (is_word(text, trues) || is_word(text, falses)))
        return json_boolean(is_word(text, trues));
    if (node->is_plain && n_digits > 0 && sign + n_digits == text.len && n_digits < 19 && !is_octal)
        return json_integer(strtoll(text.ptr, NULL, 10));
    return json_stringn(text.ptr, text.len);
}

json_t *yaml_tree_json(const struct yaml_tree *node, struct err *err)
{
    if (node->is_marked || node->kind == YAML_ALIAS) {
        err_set(err, "%u: anchors (&), aliases (*) and tags (!) are not taken: write it out",
                node->line);
        return NULL;
    }
    bool is_map = node->kind == YAML_MAP, is_good = true;
    json_t *json = is_map                    ? json_object()
                   : node->kind == YAML_LIST ? json_array()
                                             : scalar_json(node);
    for (const struct yaml_tree *child = node->child; json && is_good && child;
         child = child->next) {
        json_t *value = yaml_tree_json(child, err);
        if (!value) {
            json_decref(json);
            return NULL;
        }
        if (is_map && json_object_get(json, child->key)) {
            err_set(err, "%u: key \"%s\" is there twice", child->line, child->key);
            json_decref(value);
            json_decref(json);
            return NULL;
        }
        is_good = (is_map ? json_object_set_new(json, child->key, value)
                          : json_array_append_new(json, value)) == 0;
    }
    if (json && is_good)
        return json;
    json_decref(json);
    err_set(err, "%u: a text is not UTF-8, or memory is short", node->line);
    return NULL;
}

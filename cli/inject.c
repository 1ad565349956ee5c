#include "cli/inject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/workload.h"
#include "cli/yaml_edit.h"
#include "controller/inject/inject.h"
#include "controller/inject/patch.h"

/* One document of the stream. */
struct document {
    const struct yaml_tree *tree;
    json_t *before, *after; /* NULL: it holds no pods and stays as it is */
};

struct run {
    struct slice text;
    const char *file;
    const struct inject_settings *settings;
    cli_on_note on_note;
    void *context;
    struct err *err;
    struct document *documents;
    size_t n_documents;
    const struct yaml_tree *namespaces; /* the first document: Namespaces are looked for from it */
};

static const char *text_at(const json_t *map, const char *key)
{
    const char *text = json_string_value(json_object_get(map, key));
    return text ? text : "";
}

static const char *scalar_at(const struct yaml_tree *map, const char *key)
{
    const struct yaml_tree *child = yaml_tree_get(map, key);
    return child && child->kind == YAML_SCALAR ? child->text.ptr : "";
}

/* ---- one pod -----------------------------------------------------------------------------------
 */

/*
 * A namespace of the same stream has its say. Who calls the command wants the proxy, so that only a
 * pod, or such a namespace, that declines is left out.
 */
static json_t *namespace_metadata(const struct run *run, const char *name)
{
    struct err ignored;
    json_t *metadata = NULL;
    for (const struct yaml_tree *at = run->namespaces; at && !metadata; at = at->next)
        if (strcmp(scalar_at(at, "kind"), "Namespace") == 0 &&
            strcmp(scalar_at(yaml_tree_get(at, "metadata"), "name"), name) == 0)
            metadata = yaml_tree_json(yaml_tree_get(at, "metadata"), &ignored);
    if (!metadata)
        metadata = json_object();
    json_t *labels = json_object_get(metadata, "labels");
    if (!json_is_object(labels)) {
        json_object_set_new(metadata, "labels", json_object());
        labels = json_object_get(metadata, "labels");
    }
    if (!json_object_get(labels, "outrigger.dev/inject"))
        json_object_set_new(labels, "outrigger.dev/inject", json_string("enabled"));
    return metadata;
}

static void note(const struct run *run, const struct yaml_tree *tree, const json_t *object,
                 const char *text)
{
    struct err line; /* makes one line of it */
    err_set(&line, "%s:%u: %s %s: %s", run->file, tree->line, text_at(object, "kind"),
            text_at(json_object_get(object, "metadata"), "name"), text);
    run->on_note(run->context, line.text);
}

static void tell(const struct run *run, const struct yaml_tree *tree, const json_t *object,
                 const struct injection *injection)
{
    char text[sizeof(((struct err *)0)->text)];
    for (size_t i = 0; i < json_array_size(injection->warnings); i++)
        note(run, tree, object, json_string_value(json_array_get(injection->warnings, i)));
    if (injection->decision == INJECT_YES)
        return;
    snprintf(text, sizeof(text), "not injected: %s", inject_decision_text(injection->decision));
    note(run, tree, object, text);
}

static bool inject_object(struct run *run, const struct yaml_tree *tree, json_t *object,
                          const struct workload_kind *kind)
{
    const char *missing = "";
    struct injection injection;
    json_t *pod = workload_pod(object, kind, &missing);
    if (!pod)
        return err_set(run->err, "%s:%u: %s: %s is missing, or no map", run->file, tree->line,
                       kind->name, missing);
    const char *name = text_at(json_object_get(object, "metadata"), "namespace");
    name = *name ? name : "default";
    json_t *namespace = namespace_metadata(run, name);
    bool is_good = inject_pod(pod, name, namespace, run->settings, &injection);
    json_decref(namespace);
    if (!is_good)
        return err_set(run->err, "%s:%u: out of memory", run->file, tree->line);
    tell(run, tree, object, &injection);
    is_good = patch_apply(pod, injection.patch) ||
              err_set(run->err, "%s:%u: the patch does not fit", run->file, tree->line);
    injection_fini(&injection);
    return is_good;
}

/* ---- one document ------------------------------------------------------------------------------
 */

static bool is_list(const char *kind)
{
    return strcmp(kind, "List") == 0 || strcmp(kind, "PodList") == 0 ||
           strcmp(kind, "DeploymentList") == 0;
}

static bool inject_any(struct run *run, const struct yaml_tree *tree, json_t *object)
{
    const char *name = text_at(object, "kind");
    const struct workload_kind *kind = workload_kind(name);
    if (kind)
        return inject_object(run, tree, object, kind);
    if (!is_list(name))
        return true;
    const struct yaml_tree *items = yaml_tree_get(tree, "items");
    json_t *list = json_object_get(object, "items");
    if (items && items->kind != YAML_LIST)
        return err_set(run->err, "%s:%u: items: expected a list", run->file, items->line);
    size_t i = 0;
    for (const struct yaml_tree *item = items ? items->child : NULL; item; item = item->next)
        if (!inject_any(run, item, json_array_get(list, i++)))
            return false;
    return true;
}

static bool inject_document(struct run *run, const struct yaml_tree *tree)
{
    struct document *document = &run->documents[run->n_documents++];
    const char *kind = scalar_at(tree, "kind");
    struct err why;
    document->tree = tree;
    if (!workload_kind(kind) && !is_list(kind))
        return true;
    document->before = yaml_tree_json(tree, &why);
    if (!document->before)
        return err_set(run->err, "%s:%s", run->file, why.text);
    document->after = json_deep_copy(document->before);
    return document->after ? inject_any(run, tree, document->after)
                           : err_set(run->err, "%s:%u: out of memory", run->file, tree->line);
}

/* ---- the stream --------------------------------------------------------------------------------
 */

static bool write_stream(const struct run *run, bool is_written_anew, struct buf *out)
{
    struct yaml_edit edit = {0};
    bool is_good = true;
    for (size_t i = 0; i < run->n_documents && is_good; i++) {
        const struct document *one = &run->documents[i];
        if (!one->after || json_equal(one->before, one->after))
            continue;
        is_good = is_written_anew
                      ? yaml_edit_rewrite(&edit, run->text, one->tree, one->after)
                      : yaml_edit_document(&edit, run->text, one->tree, one->before, one->after);
    }
    is_good = is_good && yaml_edit_apply(&edit, run->text, out);
    yaml_edit_fini(&edit);
    return is_good;
}

/* Whoever edits texts reads them again: every document must say what it is to say. */
static bool says_what_it_should(const struct run *run, const struct buf *out)
{
    struct arena arena = {0};
    struct yaml_tree *tree;
    struct err ignored;
    struct slice written = buf_len(out) ? buf_slice(out) : SLICE_LITERAL("");
    bool is_same = yaml_tree_read(written, &arena, &tree, &ignored);
    for (size_t i = 0; i < run->n_documents && is_same; i++) {
        const struct document *one = &run->documents[i];
        json_t *got = tree && one->after ? yaml_tree_json(tree, &ignored) : NULL;
        is_same = tree && (!one->after || json_equal(got, one->after));
        json_decref(got);
        tree = tree ? tree->next : NULL;
    }
    is_same = is_same && !tree;
    arena_fini(&arena);
    return is_same;
}

static bool print(const struct run *run, struct buf *out)
{
    if (!write_stream(run, false, out))
        return err_set(run->err, "%s: out of memory, or more than %u bytes", run->file,
                       INJECT_MAX_BYTES);
    if (says_what_it_should(run, out))
        return true;
    /* Rather without its comments than another thing. */
    buf_consume(out, buf_len(out));
    if (write_stream(run, true, out) && says_what_it_should(run, out))
        return true;
    return err_set(run->err, "%s: cannot be written: this is our fault", run->file);
}

bool cli_inject(struct slice text, const char *file, const struct inject_settings *settings,
                cli_on_note on_note, void *context, struct buf *out, struct err *err)
{
    struct arena arena = {0};
    struct yaml_tree *first;
    struct err why;
    size_t n = 0;
    text.ptr = text.len ? text.ptr : "";
    struct run run = {text, file, settings, on_note, context, err, NULL, 0, NULL};
    if (!yaml_tree_read(text, &arena, &first, &why)) {
        arena_fini(&arena);
        return err_set(err, "%s:%s", file, why.text);
    }
    for (const struct yaml_tree *at = first; at; at = at->next)
        n++;
    run.namespaces = first;
    run.documents = calloc(n ? n : 1, sizeof(*run.documents));
    bool is_good = run.documents || err_set(err, "%s: out of memory", file);
    for (const struct yaml_tree *at = first; at && is_good; at = at->next)
        is_good = inject_document(&run, at);
    is_good = is_good && print(&run, out);
    for (size_t i = 0; i < run.n_documents; i++) {
        json_decref(run.documents[i].before);
        json_decref(run.documents[i].after);
    }
    free(run.documents);
    arena_fini(&arena);
    return is_good;
}

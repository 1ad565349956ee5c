#include "controller/objects/read.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/map.h"
#include "common/options.h"
#include "controller/objects/access_policy.h"
#include "controller/objects/endpoint_slice.h"
#include "controller/objects/external_service.h"
#include "controller/objects/http_filter.h"
#include "controller/objects/namespace.h"
#include "controller/objects/pod.h"
#include "controller/objects/reference_grant.h"
#include "controller/objects/route.h"
#include "controller/objects/service.h"
#include "controller/objects/service_account.h"
#include "controller/objects/smi_spec.h"
#include "controller/objects/traffic_policy.h"
#include "controller/objects/traffic_split.h"
#include "controller/objects/traffic_target.h"

#define GATEWAY_GROUP "gateway.networking.k8s.io"
#define OWN_GROUP     "outrigger.dev"
#define OWN_VERSION   "v1alpha1"

struct kind_row {
    const char *kind;        /* as manifests name it */
    const char *group;       /* "" for the core */
    const char *versions[5]; /* that are read; the first is the one to write */
    size_t bytes;
    bool keeps_labels;
    void (*read)(const struct field *root, struct object *object);
};

#define SMI_VERSIONS "v1alpha4", "v1alpha3", "v1alpha2", "v1alpha1"

static const struct kind_row kind_rows[OBJECT_KINDS] = {
    [OBJECT_NAMESPACE] = {"Namespace", "", {"v1"}, sizeof(struct namespace), false, namespace_read},
    [OBJECT_SERVICE_ACCOUNT] =
        {"ServiceAccount", "", {"v1"}, sizeof(struct service_account), false, service_account_read},
    [OBJECT_POD] = {"Pod", "", {"v1"}, sizeof(struct pod), true, pod_read},
    [OBJECT_SERVICE] = {"Service", "", {"v1"}, sizeof(struct service), false, service_read},
    [OBJECT_ENDPOINT_SLICE] = {"EndpointSlice",
                               "discovery.k8s.io",
                               {"v1"},
                               sizeof(struct endpoint_slice),
                               false,
                               endpoint_slice_read},
    [OBJECT_HTTP_ROUTE] =
        {"HTTPRoute", GATEWAY_GROUP, {"v1"}, sizeof(struct route), false, route_read},
    [OBJECT_GRPC_ROUTE] =
        {"GRPCRoute", GATEWAY_GROUP, {"v1"}, sizeof(struct route), false, route_read},
    [OBJECT_TCP_ROUTE] =
        {"TCPRoute", GATEWAY_GROUP, {"v1alpha2"}, sizeof(struct route), false, route_read},
    [OBJECT_REFERENCE_GRANT] = {"ReferenceGrant",
                                GATEWAY_GROUP,
                                {"v1beta1"},
                                sizeof(struct reference_grant),
                                false,
                                reference_grant_read},
    [OBJECT_ACCESS_POLICY] = {"AccessPolicy",
                              OWN_GROUP,
                              {OWN_VERSION},
                              sizeof(struct access_policy),
                              false,
                              access_policy_read},
    [OBJECT_TRAFFIC_POLICY] = {"TrafficPolicy",
                               OWN_GROUP,
                               {OWN_VERSION},
                               sizeof(struct traffic_policy),
                               false,
                               traffic_policy_read},
    [OBJECT_HTTP_FILTER] = {"HTTPFilter",
                            OWN_GROUP,
                            {OWN_VERSION},
                            sizeof(struct http_filter),
                            false,
                            http_filter_read},
    [OBJECT_EXTERNAL_SERVICE] = {"ExternalService",
                                 OWN_GROUP,
                                 {OWN_VERSION},
                                 sizeof(struct external_host_object),
                                 false,
                                 external_service_read},
    [OBJECT_TRAFFIC_TARGET] = {"TrafficTarget",
                               "access.smi-spec.io",
                               {SMI_VERSIONS},
                               sizeof(struct traffic_target),
                               false,
                               traffic_target_read},
    [OBJECT_TRAFFIC_SPLIT] = {"TrafficSplit",
                              "split.smi-spec.io",
                              {SMI_VERSIONS},
                              sizeof(struct traffic_split),
                              false,
                              traffic_split_read},
    [OBJECT_HTTP_ROUTE_GROUP] = {"HTTPRouteGroup",
                                 "specs.smi-spec.io",
                                 {SMI_VERSIONS},
                                 sizeof(struct http_route_group),
                                 false,
                                 http_route_group_read},
    [OBJECT_SMI_TCP_ROUTE] = {"TCPRoute",
                              "specs.smi-spec.io",
                              {SMI_VERSIONS},
                              sizeof(struct smi_tcp_route),
                              false,
                              smi_tcp_route_read},
};

/* One run of objects_read(). */
struct run {
    const char *file;
    objects_on_unknown on_unknown;
    void *context;
    struct err *err;
    struct objects read; /* so far */
    struct map by_name;  /* "KIND/NAMESPACE/NAME" -> object */
};

void objects_fini(struct objects *objects)
{
    for (size_t i = 0; i < objects->n; i++)
        object_free(objects->list[i]);
    free(objects->list);
    *objects = (struct objects){0};
}

static bool append(struct objects *objects, struct object *object)
{
    if (objects->n == objects->size) {
        size_t size = objects->size ? objects->size * 2 : 8;
        struct object **list = reallocarray(objects->list, size, sizeof(struct object *));
        if (!list)
            return false;
        objects->list = list;
        objects->size = size;
    }
    objects->list[objects->n++] = object;
    return true;
}

static void read_metadata(const struct field *root, struct object *object)
{
    struct field metadata = field_get(root, "metadata");
    struct field name = field_get(&metadata, "name");
    struct field namespace = field_get(&metadata, "namespace");
    struct field labels = field_get(&metadata, "labels");
    struct field created = field_get(&metadata, "creationTimestamp");
    field_require(&metadata);
    field_require(&name);
    object->name = field_dns_name(&name);
    object->namespace = field_is_set(&namespace) ? field_label_name(&namespace) : "default";
    if (object->kind == OBJECT_NAMESPACE)
        object->namespace = "";
    if (kind_rows[object->kind].keeps_labels)
        object->labels = field_labels(&labels);
    object->created_sec = field_time(&created);
}

static const char *file_text(struct reading *reading, const struct field *root)
{
    const char *file = arena_text(reading->arena, slice_str(reading->file));
    return field_has_memory(root, file) ? file : "";
}

/* Our own kinds are checked to the last field; the API server has checked Kubernetes' own. */
static void allow_only_known(const struct field *root, enum object_kind kind)
{
    static const char *const names[] = {"apiVersion", "kind", "metadata", "spec", "status"};
    if (strcmp(kind_rows[kind].group, OWN_GROUP) == 0)
        field_allow_only(root, names, sizeof(names) / sizeof(names[0]));
}

static bool add_object(struct run *run, const struct field *root, struct object *object)
{
    void *before = NULL;
    struct arena scratch = {0};
    const char *name = arena_printf(&scratch, "%s/%s/%s", object_kind_name(object->kind),
                                    object->namespace, object->name);
    bool is_added = field_has_memory(root, name);
    struct object *first = name ? map_get(&run->by_name, slice_str(name)) : NULL;
    if (first)
        is_added = field_fail(root, "%s is there already, on line %u", name, first->line);
    else if (is_added && (!map_set(&run->by_name, slice_str(name), object, &before) ||
                          !append(&run->read, object)))
        is_added = field_fail(root, "out of memory");
    arena_fini(&scratch);
    return is_added;
}

static bool read_object(struct run *run, const struct field *in, enum object_kind kind)
{
    const struct kind_row *row = &kind_rows[kind];
    struct arena arena = {0};
    struct object *object = arena_take(&arena, row->bytes);
    if (!object)
        return field_fail(in, "out of memory");
    /* A reading of its own, so that texts go to the object's arena. */
    struct reading reading = {.file = run->file, .arena = &arena, .err = run->err};
    struct field root = *in;
    root.reading = &reading;
    object->kind = kind;
    object->line = in->node->line;
    object->file = file_text(&reading, &root);
    allow_only_known(&root, kind);
    read_metadata(&root, object);
    if (!reading.has_failed)
        row->read(&root, object);
    bool is_added = !reading.has_failed && add_object(run, &root, object);
    object->arena = arena; /* from here on the object owns it */
    if (!is_added)
        object_free(object);
    return is_added;
}

static bool fail_kind(const struct field *kind, const char *text)
{
    static const char *const names[] = {"AccessPolicy", "TrafficPolicy", "HTTPFilter",
                                        "ExternalService"};
    const char *nearest = option_nearest(slice_str(text), names, 4);
    if (nearest)
        return field_fail(kind, "\"%s\" is no kind of " OWN_GROUP "; did you mean \"%s\"?", text,
                          nearest);
    return field_fail(
        kind, "\"%s\" is none of AccessPolicy, TrafficPolicy, HTTPFilter, ExternalService", text);
}

/* The group of "GROUP/VERSION"; "" of the core's, which is a version alone. */
static struct slice group_of(struct slice api_version)
{
    const char *slash = memchr(api_version.ptr, '/', api_version.len);
    return slash ? slice_sub(api_version, 0, (size_t)(slash - api_version.ptr)) : SLICE_LITERAL("");
}

/* The kind of that name and group; of another group where there is none; NULL: none of ours. */
static const struct kind_row *find_kind(const char *kind, struct slice group)
{
    const struct kind_row *named = NULL;
    for (int i = 0; i < OBJECT_KINDS; i++) {
        if (strcmp(kind_rows[i].kind, kind) != 0)
            continue;
        if (slice_eq_str(group, kind_rows[i].group))
            return &kind_rows[i];
        named = named ? named : &kind_rows[i];
    }
    return named;
}

static bool check_version(const struct field *field, const struct kind_row *row,
                          const char *api_version)
{
    struct slice text = slice_str(api_version), group = group_of(text);
    struct slice version = group.len ? slice_sub(text, group.len + 1, text.len) : text;
    bool is_ours = slice_eq_str(group, row->group);
    for (size_t i = 0; is_ours && i < sizeof(row->versions) / sizeof(row->versions[0]); i++)
        if (row->versions[i] && slice_eq_str(version, row->versions[i]))
            return true;
    return field_fail(field, "\"%s\" is not that of %s, which is \"%s%s%s\"", api_version,
                      row->kind, row->group, *row->group ? "/" : "", row->versions[0]);
}

static bool read_document(struct run *run, const struct field *root, bool is_in_list);

static bool read_list(struct run *run, const struct field *root)
{
    struct field items = field_get(root, "items");
    struct field item = {0};
    while (field_next_item(&items, &item)) {
        if (!read_document(run, &item, true))
            return false;
    }
    return !root->reading->has_failed;
}

static bool read_document(struct run *run, const struct field *root, bool is_in_list)
{
    struct field kind_field = field_get(root, "kind");
    struct field version_field = field_get(root, "apiVersion");
    field_require(&kind_field);
    field_require(&version_field);
    const char *kind_text = field_text(&kind_field);
    const char *version = field_text(&version_field);
    if (root->reading->has_failed)
        return false;
    if (strcmp(kind_text, "List") == 0)
        return is_in_list ? field_fail(&kind_field, "a List in a List is not taken")
                          : read_list(run, root);
    const struct kind_row *row = find_kind(kind_text, group_of(slice_str(version)));
    if (row)
        return check_version(&version_field, row, version) &&
               read_object(run, root, (enum object_kind)(row - kind_rows));
    /* What is ours but misspelt would be a policy that silently does nothing. */
    if (slice_starts_with(slice_str(version), SLICE_LITERAL(OWN_GROUP "/")))
        return fail_kind(&kind_field, kind_text);
    if (run->on_unknown)
        run->on_unknown(run->context, kind_text, root->node->line);
    return true;
}

static bool append_all(struct run *run, struct objects *objects)
{
    size_t before = objects->n;
    for (size_t i = 0; i < run->read.n; i++) {
        if (!append(objects, run->read.list[i])) {
            objects->n = before;
            return err_set(run->err, "%s: out of memory", run->file);
        }
    }
    run->read.n = 0; /* they have changed hands */
    return true;
}

bool objects_read(struct slice text, const char *file, objects_on_unknown on_unknown, void *context,
                  struct objects *objects, struct err *err)
{
    struct arena tree = {0};
    struct yaml_node *document;
    struct run run = {.file = file, .on_unknown = on_unknown, .context = context, .err = err};
    struct reading reading = {.file = file, .arena = &tree, .err = err};
    bool is_good = yaml_read(text, &tree, &document, err);
    if (!is_good) {
        struct err what = *err;
        err_set(err, "%s:%s", file, what.text);
    }
    for (; is_good && document; document = document->next) {
        struct field root = field_root(&reading, document);
        if (document->kind != YAML_KIND_NULL) /* nothing between two `---` */
            is_good = read_document(&run, &root, false);
    }
    is_good = is_good && append_all(&run, objects);
    objects_fini(&run.read);
    map_fini(&run.by_name, NULL);
    arena_fini(&tree);
    return is_good;
}

const char *objects_path(enum object_kind kind, size_t version, char path[OBJECTS_PATH_BYTES])
{
    const struct kind_row *row = &kind_rows[kind];
    char name[64];
    size_t len = strlen(row->kind);
    if (version >= sizeof(row->versions) / sizeof(row->versions[0]) || !row->versions[version])
        return NULL;
    for (size_t i = 0; i <= len; i++)
        name[i] = (char)tolower((unsigned char)row->kind[i]);
    bool is_y = name[len - 1] == 'y'; /* policy, policies */
    snprintf(path, OBJECTS_PATH_BYTES, "%s%s/%s/%.*s%s", *row->group ? "/apis/" : "/api",
             row->group, row->versions[version], (int)(is_y ? len - 1 : len), name,
             is_y ? "ies" : "s");
    return path;
}

const char *objects_kind(enum object_kind kind)
{
    return kind_rows[kind].kind;
}

const char *objects_api_version(enum object_kind kind, size_t version,
                                char text[OBJECTS_PATH_BYTES])
{
    const struct kind_row *row = &kind_rows[kind];
    snprintf(text, OBJECTS_PATH_BYTES, "%s%s%s", row->group, *row->group ? "/" : "",
             row->versions[version]);
    return text;
}

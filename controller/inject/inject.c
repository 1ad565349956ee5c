#include "controller/inject/inject.h"

#include "controller/inject/containers.h"
#include "controller/inject/patch.h"
#include "controller/inject/probes.h"

#define DEFAULT_CONTAINER "kubectl.kubernetes.io/default-container"

/* In front of what is there, or as the list that is not there yet. */
static bool add_first(json_t *patch, const json_t *list, const char *path, json_t *value)
{
    if (json_array_size(list) > 0)
        return patch_add(patch, value, "%s/0", path);
    json_t *array = json_array();
    if (array && value && json_array_append(array, value) < 0) {
        json_decref(array);
        array = NULL;
    }
    bool is_done = array && value && patch_add(patch, json_incref(array), "%s", path);
    json_decref(array);
    json_decref(value);
    return is_done;
}

/* Each is put in front, so that they come in the order in which they are not to be: last first. */
static bool add_containers(const struct plan *plan, const json_t *spec, const json_t *probes,
                           json_t *patch)
{
    const json_t *init = json_object_get(spec, "initContainers");
    const json_t *there = init;
    json_t *proxy = containers_proxy(plan, probes);
    bool is_good;
    if (plan->is_native)
        is_good = add_first(patch, init, "/spec/initContainers", proxy);
    else
        is_good = add_first(patch, json_object_get(spec, "containers"), "/spec/containers", proxy);
    if (plan->is_native)
        there = json_object_get(spec, "containers"); /* any list that is not empty */
    return is_good && (plan->settings->has_cni ||
                       add_first(patch, there, "/spec/initContainers", containers_init(plan)));
}

static bool add_volumes(const struct plan *plan, const json_t *spec, json_t *patch)
{
    const json_t *volumes = json_object_get(spec, "volumes");
    if (json_array_size(volumes) == 0)
        return patch_add(
            patch, json_pack("[o, o]", containers_token_volume(), containers_anchors_volume(plan)),
            "/spec/volumes");
    return patch_add(patch, containers_token_volume(), "/spec/volumes/-") &&
           patch_add(patch, containers_anchors_volume(plan), "/spec/volumes/-");
}

/* `kubectl logs` and `exec` take the first container, which is the proxy now. */
static bool name_default_container(const struct plan *plan, const json_t *pod, json_t *patch)
{
    const json_t *metadata = json_object_get(pod, "metadata");
    const json_t *annotations = json_object_get(metadata, "annotations");
    const json_t *containers = json_object_get(json_object_get(pod, "spec"), "containers");
    const char *name = json_string_value(json_object_get(json_array_get(containers, 0), "name"));
    if (plan->is_native || !name || json_object_get(annotations, DEFAULT_CONTAINER))
        return true;
    if (json_is_object(annotations))
        return patch_add(patch, json_string(name),
                         "/metadata/annotations/kubectl.kubernetes.io~1default-container");
    if (json_is_object(metadata))
        return patch_add(patch, json_pack("{s:s}", DEFAULT_CONTAINER, name),
                         "/metadata/annotations");
    return patch_add(patch, json_pack("{s:{s:s}}", "annotations", DEFAULT_CONTAINER, name),
                     "/metadata");
}

static bool make_patch(const json_t *pod, const struct inject_settings *settings,
                       const struct wishes *wishes, struct injection *injection)
{
    const json_t *spec = json_object_get(pod, "spec");
    struct plan plan;
    plan_make(settings, wishes, spec, &plan, injection->warnings);
    json_t *probes = json_array();
    bool is_good = probes && /* first: they say where they are in the pod as it came */
                   probes_rewrite(&plan, spec, injection->patch, probes, injection->warnings) &&
                   add_containers(&plan, spec, probes, injection->patch) &&
                   add_volumes(&plan, spec, injection->patch) &&
                   name_default_container(&plan, pod, injection->patch);
    json_decref(probes);
    return is_good;
}

bool inject_pod(const json_t *pod, const char *namespace, const json_t *namespace_metadata,
                const struct inject_settings *settings, struct injection *injection)
{
    struct wishes wishes;
    *injection = (struct injection){.patch = json_array(), .warnings = json_array()};
    bool is_good = injection->patch && injection->warnings;
    if (is_good) {
        wishes_read(json_object_get(pod, "metadata"), namespace_metadata, &wishes,
                    injection->warnings);
        injection->decision = inject_decide(pod, namespace, &wishes);
        is_good =
            injection->decision != INJECT_YES || make_patch(pod, settings, &wishes, injection);
    }
    if (!is_good)
        injection_fini(injection);
    return is_good;
}

void injection_fini(struct injection *injection)
{
    json_decref(injection->patch);
    json_decref(injection->warnings);
    *injection = (struct injection){0};
}

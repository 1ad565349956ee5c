#include "controller/inject/decide.h"

#include <string.h>

#include "common/slice.h"
#include "controller/inject/names.h"

const char *inject_decision_text(enum inject_decision decision)
{
    static const char *const texts[] = {
#define X(suffix, text) text,
        INJECT_DECISIONS(X)
#undef X
    };
    return texts[decision];
}

static bool is_system_namespace(const char *namespace)
{
    static const char *const names[] = {"kube-system", "kube-public", "kube-node-lease"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(namespace, names[i]) == 0)
            return true;
    return false;
}

static bool has_name(const json_t *list, const char *wanted)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(list, i), "name"));
        if (name && strcmp(name, wanted) == 0)
            return true;
    }
    return false;
}

static bool is_value(const json_t *map, const char *key, const char *wanted)
{
    const char *value = json_string_value(json_object_get(map, key));
    return value && strcmp(value, wanted) == 0;
}

static bool is_for_windows(const json_t *spec)
{
    const json_t *selector = json_object_get(spec, "nodeSelector");
    return is_value(json_object_get(spec, "os"), "name", "windows") ||
           is_value(selector, "kubernetes.io/os", "windows") ||
           is_value(selector, "beta.kubernetes.io/os", "windows");
}

static bool has_our_names(const json_t *spec)
{
    const json_t *volumes = json_object_get(spec, "volumes");
    return has_name(json_object_get(spec, "containers"), INJECT_INIT_CONTAINER) ||
           has_name(json_object_get(spec, "initContainers"), INJECT_INIT_CONTAINER) ||
           has_name(volumes, INJECT_TOKEN_VOLUME) || has_name(volumes, INJECT_ANCHORS_VOLUME);
}

enum inject_decision inject_decide(const json_t *pod, const char *namespace,
                                   const struct wishes *wishes)
{
    const json_t *spec = json_object_get(pod, "spec");
    const json_t *containers = json_object_get(spec, "containers");
    if (is_system_namespace(namespace))
        return INJECT_SYSTEM_NAMESPACE;
    if (strcmp(namespace, INJECT_SYSTEM) == 0)
        return INJECT_OWN_NAMESPACE;
    if (has_name(containers, INJECT_PROXY_CONTAINER) ||
        has_name(json_object_get(spec, "initContainers"), INJECT_PROXY_CONTAINER))
        return INJECT_ALREADY;
    if (wishes->inject == TOGGLE_OFF)
        return INJECT_OFF;
    if (wishes->inject != TOGGLE_ON)
        return INJECT_NOT_ASKED;
    if (json_is_true(json_object_get(spec, "hostNetwork")))
        return INJECT_HOST_NETWORK;
    if (is_for_windows(spec))
        return INJECT_WINDOWS;
    if (json_array_size(containers) == 0)
        return INJECT_NO_CONTAINERS;
    return has_our_names(spec) ? INJECT_NAME_TAKEN : INJECT_YES;
}

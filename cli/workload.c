#include "cli/workload.h"

#include <string.h>

static const struct workload_kind kinds[] = {
    {"Pod", {NULL}},
    {"Deployment", {"spec", "template", NULL}},
    {"StatefulSet", {"spec", "template", NULL}},
    {"DaemonSet", {"spec", "template", NULL}},
    {"ReplicaSet", {"spec", "template", NULL}},
    {"ReplicationController", {"spec", "template", NULL}},
    {"Job", {"spec", "template", NULL}},
    {"CronJob", {"spec", "jobTemplate", "spec", "template"}},
};

const struct workload_kind *workload_kind(const char *name)
{
    for (size_t i = 0; name && i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

json_t *workload_pod(json_t *object, const struct workload_kind *kind, const char **missing)
{
    json_t *at = object;
    for (size_t i = 0; i < WORKLOAD_PATH_MAX && kind->path[i]; i++) {
        *missing = kind->path[i];
        at = json_object_get(at, kind->path[i]);
        if (!json_is_object(at))
            return NULL;
    }
    *missing = "spec";
    return json_is_object(json_object_get(at, "spec")) ? at : NULL;
}

/*
 * Where the pod stands in a manifest: Pods, what makes pods, and Lists of them. Pure.
 */
#ifndef OUTRIGGER_CLI_WORKLOAD_H
#define OUTRIGGER_CLI_WORKLOAD_H

#include <jansson.h>
#include <stdbool.h>

#define WORKLOAD_PATH_MAX 4

struct workload_kind {
    const char *name;
    const char *path[WORKLOAD_PATH_MAX]; /* of the pod in it, up to NULL */
};

/* NULL: the kind makes no pods that we know. */
const struct workload_kind *workload_kind(const char *name);

/* The pod, or its template; NULL when there is none, with the step that was missing or no map. */
json_t *workload_pod(json_t *object, const struct workload_kind *kind, const char **missing);

#endif

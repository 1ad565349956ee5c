/* Pods written short, and what became of them told short, so that tests are tables. */
#ifndef OUTRIGGER_TEST_CONTROLLER_INJECT_INJECTED_H
#define OUTRIGGER_TEST_CONTROLLER_INJECT_INJECTED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "controller/inject/inject.h"
#include "controller/inject/patch.h"

#define TEXT_BYTES 8192

static const struct inject_settings test_settings = {
    .proxy_image = "proxy:1",
    .init_image = "init:1",
    .controller = "controller:15010",
    .trust_domain = "cluster.test",
    .anchors = "anchors",
    .cpu_request = "10m",
    .memory_request = "32Mi",
};

/* JSON with ' for ". NULL for NULL. */
static inline json_t *test_json(const char *text)
{
    char copy[TEXT_BYTES];
    json_error_t error;
    if (!text)
        return NULL;
    assert_true(strlen(text) < sizeof(copy));
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *c = copy; *c; c++)
        if (*c == '\'')
            *c = '"';
    json_t *json = json_loads(copy, 0, &error);
    if (!json)
        fail_msg("%s: %s", text, error.text);
    return json;
}

/* The pod as the API server would store it; NULL when the patch does not fit. */
static inline json_t *test_patched(const json_t *pod, const struct injection *injection)
{
    json_t *copy = json_deep_copy(pod);
    if (patch_apply(copy, injection->patch))
        return copy;
    json_decref(copy);
    return NULL;
}

static inline const json_t *test_named(const json_t *list, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *here = json_string_value(json_object_get(item, "name"));
        if (here && strcmp(here, name) == 0)
            return item;
    }
    return NULL;
}

static inline const json_t *test_proxy(const json_t *pod)
{
    const json_t *spec = json_object_get(pod, "spec");
    const json_t *proxy = test_named(json_object_get(spec, "initContainers"), "outrigger-proxy");
    return proxy ? proxy : test_named(json_object_get(spec, "containers"), "outrigger-proxy");
}

/* "a,b" of names. */
static inline void test_names(const json_t *list, char *text, size_t size)
{
    size_t i, used = 0;
    json_t *item;
    text[0] = '\0';
    json_array_foreach(list, i, item)
    {
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? "," : "",
                                 json_string_value(json_object_get(item, "name")));
    }
}

/* "a b" of the texts of an array. */
static inline void test_texts(const json_t *list, const char *between, char *text, size_t size)
{
    size_t i, used = 0;
    json_t *item;
    text[0] = '\0';
    json_array_foreach(list, i, item)
    {
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? between : "",
                                 json_string_value(item));
    }
}

#endif

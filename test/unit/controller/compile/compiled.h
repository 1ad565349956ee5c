/* A store from YAML, and resources of it, decoded. */
#ifndef OUTRIGGER_TEST_CONTROLLER_COMPILE_COMPILED_H
#define OUTRIGGER_TEST_CONTROLLER_COMPILE_COMPILED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "controller/compile/compile.h"
#include "controller/objects/read.h"
#include "proto/resources.pb-c.h"

static const struct compile_settings test_settings = {"cluster.test", COMPILE_ROOT_NAMESPACE};

/* Puts all documents into the store and commits. */
static inline void load(struct store *store, const char *yaml)
{
    struct objects objects = {0};
    struct err err = {0};
    if (!objects_read(slice_str(yaml), "x.yaml", NULL, NULL, &objects, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < objects.n; i++)
        assert_true(store_put(store, objects.list[i]));
    objects.n = 0;
    objects_fini(&objects);
    store_commit(store);
}

static inline struct store *store_of(const char *yaml)
{
    struct store *store = store_new();
    assert_non_null(store);
    load(store, yaml);
    return store;
}

static inline struct resource *compile(const struct store *store, enum resource_type type,
                                       const char *name)
{
    struct resource *resource = resource_compile(store, &test_settings, type, name);
    assert_non_null(resource);
    assert_string_equal(resource->name, name);
    return resource;
}

static inline bool exists(const struct store *store, enum resource_type type, const char *name)
{
    struct resource *resource = compile(store, type, name);
    bool answer = resource->exists;
    assert_int_equal(answer, resource->version[0] != '\0');
    assert_int_equal(answer, resource->bytes.len > 0);
    resource_free(resource);
    return answer;
}

#define UNPACK(type_name, unpack, resource_type)                                                   \
    static inline type_name *unpack##_of(const struct store *store, const char *name)              \
    {                                                                                              \
        struct resource *resource = compile(store, resource_type, name);                           \
        if (!resource->exists)                                                                     \
            fail_msg("%s does not exist", name);                                                   \
        type_name *message = outrigger__v1__##unpack##__unpack(                                    \
            NULL, resource->bytes.len, (const uint8_t *)resource->bytes.ptr);                      \
        assert_non_null(message);                                                                  \
        resource_free(resource);                                                                   \
        return message;                                                                            \
    }

UNPACK(Outrigger__V1__Workload, workload, RESOURCE_WORKLOAD)
UNPACK(Outrigger__V1__Service, service, RESOURCE_SERVICE)
UNPACK(Outrigger__V1__Endpoints, endpoints, RESOURCE_ENDPOINTS)

#endif

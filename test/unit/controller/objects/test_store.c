#include "controller/objects/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "controller/objects/read.h"

/* The one object of a YAML text. */
static struct object *object_of(const char *yaml)
{
    struct objects objects = {0};
    struct err err = {0};
    if (!objects_read(slice_str(yaml), "x.yaml", NULL, NULL, &objects, &err))
        fail_msg("%s", err.text);
    assert_int_equal(objects.n, 1);
    struct object *object = objects.list[0];
    objects.n = 0;
    objects_fini(&objects);
    return object;
}

static struct object *pod(const char *namespace, const char *name, const char *app, const char *ip)
{
    char yaml[512];
    snprintf(yaml, sizeof(yaml),
             "apiVersion: v1\nkind: Pod\n"
             "metadata: {name: %s, namespace: %s, labels: {app: %s, tier: x}}\n"
             "status: {podIP: \"%s\"}\n",
             name, namespace, app, ip);
    return object_of(yaml);
}

static void put(struct store *store, struct object *object)
{
    assert_true(store_put(store, object));
}

/* The names that a key finds, joined by spaces. */
static const char *names_of(const struct store *store, const char *key, char text[256])
{
    struct found found = store_find(store, key);
    text[0] = '\0';
    for (size_t i = 0; i < found.n; i++) {
        size_t len = strlen(text);
        snprintf(text + len, 256 - len, "%s%s", i ? " " : "", found.list[i]->name);
    }
    return text;
}

#define FINDS(key, names)                                                                          \
    do {                                                                                           \
        char text_[256];                                                                           \
        assert_string_equal(names_of(store, (key), text_), (names));                               \
    } while (0)

static void test_finds_by_every_key(void **state)
{
    (void)state;
    struct store *store = store_new();
    put(store, pod("shop", "web-2", "web", "10.0.0.2"));
    put(store, pod("shop", "web-1", "web", "10.0.0.1"));
    put(store, pod("shop", "api-1", "api", "fd00::3"));
    put(store, pod("back", "web-1", "web", "10.0.0.4"));
    put(store, object_of("apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n"
                         "spec:\n  clusterIPs: [10.96.0.1, \"fd00:1::1\"]\n"
                         "  externalIPs: [192.0.2.1]\n"
                         "  ports: [{port: 80, name: a}, {port: 443, name: b},"
                         " {port: 53, protocol: UDP, name: c}]\n"));
    put(store, object_of("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n"
                         "metadata: {name: web-x, namespace: shop,"
                         " labels: {kubernetes.io/service-name: web}}\n"));
    put(store, object_of("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"));
    FINDS("pod/", "web-1 api-1 web-1 web-2");
    FINDS("pod/shop/", "api-1 web-1 web-2");
    FINDS("pod/shop/web-1", "web-1");
    FINDS("pod/shop/web", "");
    FINDS("ip/10.0.0.2", "web-2");
    FINDS("ip/fd00::3", "api-1");
    FINDS("label/shop/app=web", "web-1 web-2");
    FINDS("label/shop/tier=x", "api-1 web-1 web-2");
    FINDS("vip/10.96.0.1:80", "web");
    FINDS("vip/192.0.2.1:443", "web");
    FINDS("vip/[fd00:1::1]:443", "web");
    FINDS("vip/10.96.0.1:53", "");
    FINDS("slices/shop/web", "web-x");
    FINDS("namespace//shop", "shop");
    assert_ptr_equal(store_get(store, OBJECT_POD, "back", "web-1"),
                     store_find(store, "ip/10.0.0.4").list[0]);
    assert_null(store_get(store, OBJECT_SERVICE, "back", "web"));
    store_free(store);
}

static void test_replaces_whole(void **state)
{
    (void)state;
    struct store *store = store_new();
    put(store, pod("shop", "web-1", "web", "10.0.0.1"));
    put(store, pod("shop", "web-1", "api", "10.0.0.9"));
    FINDS("pod/", "web-1");
    FINDS("ip/10.0.0.1", "");
    FINDS("ip/10.0.0.9", "web-1");
    FINDS("label/shop/app=web", "");
    FINDS("label/shop/app=api", "web-1");
    store_remove(store, OBJECT_POD, "shop", "web-1");
    FINDS("pod/", "");
    FINDS("label/shop/tier=x", "");
    store_remove(store, OBJECT_POD, "shop", "web-1");
    store_free(store);
}

struct heard {
    size_t times;
    size_t n_keys;
    const char *const *expected; /* up to NULL */
};

static void on_change(void *context, const struct map *changed)
{
    struct heard *heard = context;
    heard->times++;
    heard->n_keys = changed->count;
    for (const char *const *key = heard->expected; *key; key++)
        if (!map_get(changed, slice_str(*key)))
            fail_msg("%s is not among what changed", *key);
}

static void test_tells_what_changed_once(void **state)
{
    (void)state;
    static const char *const first[] = {"pod/",        "pod/shop/",          "pod/shop/web-1",
                                        "ip/10.0.0.1", "label/shop/app=web", "label/shop/tier=x",
                                        NULL};
    static const char *const second[] = {"ip/10.0.0.1", "ip/10.0.0.2", "label/shop/app=web",
                                         "label/shop/app=api", NULL};
    struct store *store = store_new();
    struct heard heard = {.expected = first};
    store_listen(store, on_change, &heard);
    store_commit(store);
    assert_int_equal(heard.times, 0);
    put(store, pod("shop", "web-1", "web", "10.0.0.1"));
    put(store, pod("shop", "web-1", "web", "10.0.0.1"));
    assert_int_equal(heard.times, 0);
    store_commit(store);
    assert_int_equal(heard.times, 1);
    assert_int_equal(heard.n_keys, 6);
    heard.expected = second; /* what it was and what it is now */
    put(store, pod("shop", "web-1", "api", "10.0.0.2"));
    store_commit(store);
    assert_int_equal(heard.times, 2);
    assert_int_equal(heard.n_keys, 8);
    heard.expected = second + 3;
    store_remove(store, OBJECT_POD, "shop", "web-1");
    store_commit(store);
    store_commit(store);
    assert_int_equal(heard.times, 3);
    assert_int_equal(heard.n_keys, 6);
    store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_by_every_key),
        cmocka_unit_test(test_replaces_whole),
        cmocka_unit_test(test_tells_what_changed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

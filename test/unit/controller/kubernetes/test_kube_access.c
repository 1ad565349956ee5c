/* Kubeconfigs: what is taken from them, and what is said of wrong ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/file.h"
#include "controller/ca.h"
#include "controller/kubernetes/kube_access.h"
#include "controller/kubernetes/kube_url.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define CONFIG(cluster, user)                                                                      \
    "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"                  \
    "clusters: [{name: c, cluster: " cluster "}]\nusers: [{name: u, user: " user "}]\n"

static bool parse(struct kube_access *access, const char *text, struct err *err)
{
    return kube_access_parse(access, slice_str(text), "config", "/nowhere", err);
}

static void test_a_context_is_followed(void **state)
{
    (void)state;
    struct kube_access access;
    struct err err = {0};
    if (!parse(&access,
               CONFIG("{server: 'https://[fd00::1]:6443/k8s/'}", "{token: secret, tokenFile: t}"),
               &err))
        fail_msg("%s", err.text);
    assert_string_equal(access.target, "[fd00::1]:6443");
    assert_string_equal(access.server_name, "fd00::1");
    assert_string_equal(access.prefix, "/k8s");
    assert_string_equal(access.token, "secret");
    assert_string_equal(access.token_file, "/nowhere/t");
    assert_non_null(access.tls);
    kube_access_fini(&access);
}

static void test_plain_http_to_loopback(void **state)
{
    (void)state;
    struct kube_access access;
    struct err err;
    assert_true(parse(&access, CONFIG("{server: 'http://127.0.0.1:8001'}", "{}"), &err));
    assert_null(access.tls);
    assert_string_equal(access.target, "127.0.0.1:8001");
    kube_access_fini(&access);
}

static void test_wrong_ones(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"", "config: is no kubeconfig"},
        {"[]", "config: is no kubeconfig"},
        {"a: [", "config:2: not YAML: did not find expected node content"},
        {"clusters: []\n", "config:1: current-context: is missing"},
        {"current-context: y\ncontexts: []\n",
         "config:2: contexts: there is none of the name \"y\""},
        {CONFIG("{}", "{}"), "config:3: server: is missing"},
        {CONFIG("{server: kube}", "{}"), "config:3: server: \"kube\" is not https://HOST:PORT"},
        {CONFIG("{server: 'http://kube.example'}", "{}"),
         "config:3: server: plain http goes to a loopback address only: everybody on the way could "
         "read and write"},
        {CONFIG("{server: 'https://kube', insecure-skip-tls-verify: true}", "{}"),
         "config:3: insecure-skip-tls-verify: who answers would not be known; give "
         "certificate-authority instead"},
        {CONFIG("{server: 'https://kube', certificate-authority-data: '!'}", "{}"),
         "config:3: certificate-authority-data: is not base64"},
        {CONFIG("{server: 'https://kube', certificate-authority-data: aGFsbG8=}", "{}"),
         "certificate-authority-data: no PEM certificate in it"},
        {CONFIG("{server: 'https://kube', certificate-authority: ca.pem}", "{}"),
         "/nowhere/ca.pem: No such file or directory"},
        {CONFIG("{server: 'https://kube'}", "{exec: {command: aws}}"),
         "config:4: exec: plugins are not run; give token, tokenFile or a client certificate"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct kube_access access;
        struct err err = {.text = "(it was taken)"};
        if (parse(&access, rows[i].text, &err) || strcmp(err.text, rows[i].message) != 0)
            fail_msg("case %zu\n     got %s\nexpected %s", i, err.text, rows[i].message);
        kube_access_fini(&access);
    }
}

static void test_urls(void **state)
{
    (void)state;
    static const struct {
        const char *text, *target; /* NULL: refused */
    } rows[] = {
        {"https://kube", "kube:443"},
        {"http://1.2.3.4/", "1.2.3.4:80"},
        {"https://kube:6443", "kube:6443"},
        {"https://[::1]", "[::1]:443"},
        {"https://kube:", NULL},
        {"https://kube:0", NULL},
        {"https://:1", NULL},
        {"https://[kube]", NULL},
        {"https://[::1", NULL},
        {"https://kube/a b", NULL},
        {"https://kube/?a", NULL},
        {"ftp://kube", NULL},
        {"", NULL},
        {"https://", NULL},
        {"https://u@kube", NULL},
        {"https://kube:99999", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena arena = {0};
        struct kube_url url;
        struct err err;
        bool is_good = kube_url_parse(slice_str(rows[i].text), &arena, &url, &err);
        if (is_good != !!rows[i].target || (is_good && strcmp(url.target, rows[i].target) != 0))
            fail_msg("%s", rows[i].text);
        arena_fini(&arena);
    }
}

/* A service account's folder; its CA is one that we make. */
static void make_folder(char folder[64])
{
    char path[128];
    struct err err;
    snprintf(folder, 64, "/tmp/outrigger-kube-XXXXXX");
    assert_non_null(mkdtemp(folder));
    struct ca *ca = ca_open(&(struct ca_options){.state_dir = folder,
                                                 .trust_domain = "cluster.test",
                                                 .root_ttl_sec = 3600,
                                                 .leaf_ttl_sec = 3600},
                            &err);
    assert_non_null(ca);
    ca_close(ca);
    snprintf(path, sizeof(path), "%s/root.pem", folder);
    char to[128];
    snprintf(to, sizeof(to), "%s/ca.crt", folder);
    assert_int_equal(rename(path, to), 0);
    snprintf(path, sizeof(path), "%s/token", folder);
    bool existed;
    assert_true(file_create(path, SLICE_LITERAL("secret\n"), 0600, &existed, &err));
}

static void remove_folder(const char *folder)
{
    static const char *const files[] = {"ca.crt", "token", "root.key"};
    char path[128];
    for (size_t i = 0; i < COUNT(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void test_in_a_pod(void **state)
{
    (void)state;
    struct kube_access access;
    struct buf head;
    struct err err = {0};
    char folder[64];
    make_folder(folder);
    if (!kube_access_in_cluster(&access, folder, "fd00::1", "443", &err))
        fail_msg("%s", err.text);
    assert_string_equal(access.target, "[fd00::1]:443");
    assert_string_equal(access.server_name, "fd00::1");
    assert_non_null(access.tls);
    buf_init(&head, 4096);
    assert_true(kube_access_authorize(&access, &head, &err));
    assert_true(slice_eq_str(buf_slice(&head), "Authorization: Bearer secret\r\n"));
    buf_fini(&head);
    kube_access_fini(&access);
    remove_folder(folder);
    assert_false(kube_access_in_cluster(&access, folder, "fd00::1", "443", &err));
    assert_non_null(strstr(err.text, "/ca.crt: No such file"));
    kube_access_fini(&access);
    assert_false(kube_access_in_cluster(&access, folder, NULL, NULL, &err));
    assert_non_null(strstr(err.text, "is this a pod?"));
    kube_access_fini(&access);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_context_is_followed),
        cmocka_unit_test(test_plain_http_to_loopback),
        cmocka_unit_test(test_in_a_pod),
        cmocka_unit_test(test_wrong_ones),
        cmocka_unit_test(test_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

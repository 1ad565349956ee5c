/* What is in the containers: arguments, rights, resources, hooks; and where probes go. */
#include "test/unit/controller/inject/injected.h"

#define POD(annotations, spec)                                                                     \
    "{'metadata': {'annotations': {'outrigger.dev/inject': 'enabled'" annotations                  \
    "}}, 'spec': {" spec "}}"
#define APP               "'containers': [{'name': 'app'}]"
#define NOTE(name, value) ", 'outrigger.dev/" name "': '" value "'"

static json_t *injected(const char *text, const struct inject_settings *settings)
{
    json_t *pod = test_json(text);
    struct injection injection;
    assert_true(inject_pod(pod, "shop", NULL, settings, &injection));
    json_t *patched = test_patched(pod, &injection);
    assert_non_null(patched);
    injection_fini(&injection);
    json_decref(pod);
    return patched;
}

static const json_t *init_of(const json_t *pod)
{
    return test_named(json_object_get(json_object_get(pod, "spec"), "initContainers"),
                      "outrigger-init");
}

static void check_json(const json_t *got, const char *expected)
{
    json_t *wanted = test_json(expected);
    if (!json_equal(got, wanted)) {
        char *text = json_dumps(got, JSON_ENCODE_ANY);
        fail_msg("got %s, expected %s", text ? text : "nothing", expected);
    }
    json_decref(wanted);
}

#define PROXY_BEGIN                                                                                \
    "--pod=$(POD_NAMESPACE)/$(POD_NAME) --controller=controller:15010 "                            \
    "--trust-domain=cluster.test "

static const struct {
    const char *pod, *proxy, *init;
} arguments[] = {
    {POD("", APP), "--admin-port=15000 --drain-timeout=30s", "--proxy-uid=1337 --admin-port=15000"},
    {POD(NOTE("admin-port", "15020") NOTE("run-as-user", "2000"), APP),
     "--admin-port=15020 --drain-timeout=30s", "--proxy-uid=2000 --admin-port=15020"},
    {POD(NOTE("proxy-workers", "4") NOTE("trace-sampling", "0.5"), APP),
     "--admin-port=15000 --drain-timeout=30s --workers=4 --trace-sampling=0.5",
     "--proxy-uid=1337 --admin-port=15000"},
    {POD(NOTE("log-level", "debug") NOTE("log-format", "json"), APP),
     "--admin-port=15000 --drain-timeout=30s --log-level=debug --log-format=json",
     "--proxy-uid=1337 --admin-port=15000 --log-level=debug --log-format=json"},
    {POD(NOTE("skip-inbound-ports", "22, 9000-9010") NOTE("skip-outbound-ports", "25"), APP),
     "--admin-port=15000 --drain-timeout=30s",
     "--proxy-uid=1337 --admin-port=15000 --skip-inbound-ports=22,9000-9010 "
     "--skip-outbound-ports=25"},
    {POD(NOTE("skip-outbound-cidrs", "10.0.0.0/8,fd00::/8"), APP),
     "--admin-port=15000 --drain-timeout=30s",
     "--proxy-uid=1337 --admin-port=15000 --skip-outbound-cidrs=10.0.0.0/8,fd00::/8"},
    {POD(NOTE("drain-timeout", "5s"), APP), "--admin-port=15000 --drain-timeout=5s",
     "--proxy-uid=1337 --admin-port=15000"},
    {POD("", "'terminationGracePeriodSeconds': 10, " APP), "--admin-port=15000 --drain-timeout=10s",
     "--proxy-uid=1337 --admin-port=15000"},
    {POD("", "'terminationGracePeriodSeconds': 0, " APP), "--admin-port=15000 --drain-timeout=0s",
     "--proxy-uid=1337 --admin-port=15000"},
    {POD(NOTE("native-sidecar", "false"), "'terminationGracePeriodSeconds': 9, " APP),
     "--admin-port=15000 --drain-timeout=6s", "--proxy-uid=1337 --admin-port=15000"},
    /* What the controller tells the proxy itself is no argument. */
    {POD(NOTE("mtls-mode", "strict") NOTE("egress-mode", "registry-only") NOTE(
             "opaque-ports", "3306") NOTE("access-log", "true") NOTE("discovery-timeout", "2s"),
         APP),
     "--admin-port=15000 --drain-timeout=30s", "--proxy-uid=1337 --admin-port=15000"},
};

static void annotations_become_arguments(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
        char got[2048];
        json_t *pod = injected(arguments[i].pod, &test_settings);
        test_texts(json_object_get(test_proxy(pod), "args"), " ", got, sizeof(got));
        assert_memory_equal(got, PROXY_BEGIN, strlen(PROXY_BEGIN));
        assert_string_equal(got + strlen(PROXY_BEGIN), arguments[i].proxy);
        test_texts(json_object_get(init_of(pod), "args"), " ", got, sizeof(got));
        assert_string_equal(got, arguments[i].init);
        json_decref(pod);
    }
}

/* Pod security "restricted", but for the one container that needs more. */
static void rights_are_few(void **state)
{
    (void)state;
    json_t *pod = injected(POD(NOTE("run-as-user", "1500"), APP), &test_settings);
    check_json(json_object_get(test_proxy(pod), "securityContext"),
               "{'runAsUser': 1500, 'runAsGroup': 1500, 'runAsNonRoot': true, "
               "'readOnlyRootFilesystem': true, 'allowPrivilegeEscalation': false, "
               "'privileged': false, 'capabilities': {'drop': ['ALL']}, "
               "'seccompProfile': {'type': 'RuntimeDefault'}}");
    check_json(json_object_get(init_of(pod), "securityContext"),
               "{'runAsUser': 0, 'runAsGroup': 0, 'runAsNonRoot': false, "
               "'readOnlyRootFilesystem': true, 'allowPrivilegeEscalation': false, "
               "'privileged': false, 'capabilities': {'drop': ['ALL'], 'add': ['NET_ADMIN', "
               "'NET_RAW']}, 'seccompProfile': {'type': 'RuntimeDefault'}}");
    json_decref(pod);
}

static void images_and_resources_are_as_asked(void **state)
{
    (void)state;
    struct inject_settings settings = test_settings;
    settings.pull_policy = "Always";
    json_t *pod = injected(POD(NOTE("proxy-image", "mine:2") NOTE("proxy-cpu-request", "1")
                                   NOTE("proxy-cpu-limit", "2") NOTE("proxy-memory-limit", "1Gi")
                                       NOTE("proxy-memory-request", "64Mi"),
                               APP),
                           &settings);
    const json_t *proxy = test_proxy(pod);
    check_json(json_object_get(proxy, "resources"),
               "{'requests': {'cpu': '1', 'memory': '64Mi'}, 'limits': {'cpu': '2', 'memory': "
               "'1Gi'}}");
    assert_string_equal(json_string_value(json_object_get(proxy, "image")), "mine:2");
    assert_string_equal(json_string_value(json_object_get(proxy, "imagePullPolicy")), "Always");
    assert_string_equal(json_string_value(json_object_get(init_of(pod), "image")), "init:1");
    json_decref(pod);
    pod = injected(POD("", APP), &test_settings);
    check_json(json_object_get(init_of(pod), "resources"),
               "{'requests': {'cpu': '10m', 'memory': '32Mi'}, 'limits': {}}");
    json_decref(pod);
}

static void extra_env_comes_before_ours(void **state)
{
    (void)state;
    char names[256];
    json_t *pod = injected(POD(NOTE("extra-env", "A=1, B=x=y,C="), APP), &test_settings);
    const json_t *env = json_object_get(test_proxy(pod), "env");
    test_names(env, names, sizeof(names));
    assert_string_equal(names, "A,B,C,POD_NAME,POD_NAMESPACE,POD_UID,POD_IP");
    check_json(json_array_get(env, 1), "{'name': 'B', 'value': 'x=y'}");
    check_json(json_array_get(env, 2), "{'name': 'C', 'value': ''}");
    json_decref(pod);
}

static void what_holds_the_application(void **state)
{
    (void)state;
    json_t *pod = injected(POD("", APP), &test_settings);
    const json_t *proxy = test_proxy(pod);
    assert_non_null(json_object_get(proxy, "startupProbe"));
    assert_null(json_object_get(proxy, "lifecycle"));
    check_json(json_object_get(proxy, "readinessProbe"),
               "{'httpGet': {'path': '/readyz', 'port': 15000}, 'periodSeconds': 5, "
               "'failureThreshold': 3, 'timeoutSeconds': 5}");
    json_decref(pod);
    pod = injected(POD(NOTE("hold-application", "false"), APP), &test_settings);
    assert_null(json_object_get(test_proxy(pod), "startupProbe"));
    json_decref(pod);
    pod = injected(POD(NOTE("native-sidecar", "false"), APP), &test_settings);
    check_json(json_object_get(test_proxy(pod), "lifecycle"),
               "{'postStart': {'exec': {'command': ['outrigger-proxy', 'await-ready', '15000', "
               "'10m']}}, 'preStop': {'exec': {'command': ['outrigger-proxy', 'pause', '5s']}}}");
    assert_null(json_object_get(test_proxy(pod), "startupProbe"));
    assert_null(json_object_get(test_proxy(pod), "restartPolicy"));
    check_json(json_object_get(json_object_get(pod, "metadata"), "annotations"),
               "{'outrigger.dev/inject': 'enabled', 'outrigger.dev/native-sidecar': 'false', "
               "'kubectl.kubernetes.io/default-container': 'app'}");
    json_decref(pod);
}

static const struct {
    const char *container; /* without its name */
    const char *option;    /* of the proxy; NULL: none */
    const char *field;     /* that is looked at */
    const char *after;
} probes[] = {
    {"'livenessProbe': {'httpGet': {'path': '/healthz?x=1', 'port': 8080}, 'periodSeconds': 3}",
     "--app-probe=app/liveness=http,8080,1s,/healthz?x=1", "livenessProbe",
     "{'httpGet': {'path': '/app-probe/app/liveness', 'port': 15000}, 'periodSeconds': 3}"},
    {"'ports': [{'name': 'web', 'containerPort': 80}], 'readinessProbe': {'httpGet': {'port': "
     "'web', 'httpHeaders': [{'name': 'Host', 'value': 'x'}]}, 'timeoutSeconds': 7}",
     "--app-probe=app/readiness=http,80,7s,/", "readinessProbe",
     "{'httpGet': {'path': '/app-probe/app/readiness', 'port': 15000, 'httpHeaders': [{'name': "
     "'Host', 'value': 'x'}]}, 'timeoutSeconds': 7}"},
    {"'startupProbe': {'httpGet': {'path': '/', 'port': '8443', 'scheme': 'HTTPS'}}",
     "--app-probe=app/startup=https,8443,1s,/", "startupProbe",
     "{'httpGet': {'path': '/app-probe/app/startup', 'port': 15000}}"},
    {"'livenessProbe': {'tcpSocket': {'port': 5432}, 'failureThreshold': 2}",
     "--app-probe=app/liveness=tcp,5432,1s,", "livenessProbe",
     "{'httpGet': {'path': '/app-probe/app/liveness', 'port': 15000}, 'failureThreshold': 2}"},
    {"'livenessProbe': {'grpc': {'port': 9000, 'service': 'shop.Orders'}}",
     "--app-probe=app/liveness=grpc,9000,1s,shop.Orders", "livenessProbe",
     "{'httpGet': {'path': '/app-probe/app/liveness', 'port': 15000}}"},
    {"'lifecycle': {'preStop': {'httpGet': {'path': '/bye', 'port': 8080}}}",
     "--app-probe=app/preStop=http,8080,30s,/bye", "lifecycle",
     "{'preStop': {'httpGet': {'path': '/app-probe/app/preStop', 'port': 15000}}}"},
    {"'livenessProbe': {'httpGet': {'path': '/$(HOME)', 'port': 1}}",
     "--app-probe=app/liveness=http,1,1s,/$$(HOME)", "livenessProbe",
     "{'httpGet': {'path': '/app-probe/app/liveness', 'port': 15000}}"},
    /* left as they are */
    {"'livenessProbe': {'exec': {'command': ['true']}}", NULL, "livenessProbe",
     "{'exec': {'command': ['true']}}"},
    {"'livenessProbe': {'httpGet': {'host': '10.0.0.1', 'port': 80}}", NULL, "livenessProbe",
     "{'httpGet': {'host': '10.0.0.1', 'port': 80}}"},
    {"'livenessProbe': {'httpGet': {'port': 'nobody'}}", NULL, "livenessProbe",
     "{'httpGet': {'port': 'nobody'}}"},
    {"'livenessProbe': {'httpGet': {'path': '/a b', 'port': 80}}", NULL, "livenessProbe",
     "{'httpGet': {'path': '/a b', 'port': 80}}"},
    {"'livenessProbe': {'httpGet': {'path': '/\\u00fc', 'port': 80}}", NULL, "livenessProbe",
     "{'httpGet': {'path': '/\\u00fc', 'port': 80}}"},
    {"'livenessProbe': {'httpGet': {'path': '/', 'port': 70000}}", NULL, "livenessProbe",
     "{'httpGet': {'path': '/', 'port': 70000}}"},
    {"'livenessProbe': 7", NULL, "livenessProbe", "[7]"},
};

static void probes_are_asked_of_the_proxy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
        char text[2048];
        snprintf(text, sizeof(text), POD("", "'containers': [{'name': 'app', %s}]"),
                 probes[i].container);
        json_t *pod = injected(text, &test_settings);
        const json_t *spec = json_object_get(pod, "spec");
        const json_t *args = json_object_get(test_proxy(pod), "args");
        const json_t *app = test_named(json_object_get(spec, "containers"), "app");
        assert_int_equal(json_array_size(args), probes[i].option ? 7 : 5);
        if (probes[i].option)
            assert_string_equal(json_string_value(json_array_get(args, 5)), probes[i].option);
        if (json_is_object(json_object_get(app, probes[i].field)))
            check_json(json_object_get(app, probes[i].field), probes[i].after);
        json_decref(pod);
    }
}

/* A patch says where things are in the pod as it came: with an ordinary proxy in front as well. */
static void probes_of_the_second_container(void **state)
{
    (void)state;
    static const char pod_text[] =
        POD(NOTE("native-sidecar", "false"),
            "'initContainers': [{'name': 'side', 'restartPolicy': 'Always', 'startupProbe': "
            "{'tcpSocket': {'port': 1}}}], 'containers': [{'name': 'app'}, {'name': 'b', "
            "'livenessProbe': {'tcpSocket': {'port': 2}}}]");
    json_t *pod = injected(pod_text, &test_settings);
    const json_t *spec = json_object_get(pod, "spec");
    const json_t *b = test_named(json_object_get(spec, "containers"), "b");
    const json_t *side = test_named(json_object_get(spec, "initContainers"), "side");
    check_json(json_object_get(b, "livenessProbe"),
               "{'httpGet': {'path': '/app-probe/b/liveness', 'port': 15000}}");
    check_json(json_object_get(side, "startupProbe"), "{'tcpSocket': {'port': 1}}");
    json_decref(pod);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(annotations_become_arguments),
        cmocka_unit_test(rights_are_few),
        cmocka_unit_test(images_and_resources_are_as_asked),
        cmocka_unit_test(extra_env_comes_before_ours),
        cmocka_unit_test(what_holds_the_application),
        cmocka_unit_test(probes_are_asked_of_the_proxy),
        cmocka_unit_test(probes_of_the_second_container),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

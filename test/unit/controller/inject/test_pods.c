/* Pods of every shape: are they injected, in which order do their containers stand, and what is
 * their owner told. */
#include "test/unit/controller/inject/injected.h"

#define ON     "'metadata': {'annotations': {'outrigger.dev/inject': 'enabled'}}"
#define APP    "'containers': [{'name': 'app'}]"
#define INSIDE "metadata.annotations[\"outrigger.dev/"

struct row {
    const char *pod;
    const char *expected; /* "+INIT/CONTAINERS/VOLUMES" or "-DECISION", then the warnings */
    const char *namespace_metadata;
    const char *namespace; /* NULL: shop */
    int sidecars;
    bool has_cni;
};

#define NATIVE    "+outrigger-init,outrigger-proxy/app/outrigger-token,outrigger-anchors"
#define ORDINARY  "+outrigger-init/outrigger-proxy,app/outrigger-token,outrigger-anchors"
#define NS_ON     "{'labels': {'outrigger.dev/inject': 'enabled'}}"
#define NS_OFF    "{'labels': {'outrigger.dev/inject': 'disabled'}}"
#define NOT_ASKED "-outrigger.dev/inject is \"enabled\" on neither the pod nor its namespace"

static const struct row rows[] = {
    /* who asks for it */
    {.pod = "{" ON ", 'spec': {" APP "}}", NATIVE},
    {.pod = "{'spec': {" APP "}}", NATIVE, NS_ON},
    {.pod = "{'spec': {" APP "}}", NOT_ASKED},
    {.pod = "{'spec': {" APP "}}", NOT_ASKED, "{}"},
    {.pod = "{'metadata': {'labels': {'outrigger.dev/inject': 'enabled'}}, 'spec': {" APP "}}",
     NATIVE},
    {.pod =
         "{'metadata': {'annotations': {'outrigger.dev/inject': 'disabled'}}, 'spec': {" APP "}}",
     "-outrigger.dev/inject is \"disabled\"",
     NS_ON},
    {.pod = "{'metadata': {'labels': {'outrigger.dev/inject': 'disabled'}}, 'spec': {" APP "}}",
     "-outrigger.dev/inject is \"disabled\"",
     NS_ON},
    {.pod = "{" ON ", 'spec': {" APP "}}", NATIVE, NS_OFF},
    {.pod = "{'metadata': {'labels': {'outrigger.dev/inject': 'disabled'}, 'annotations': "
            "{'outrigger.dev/inject': 'enabled'}}, 'spec': {" APP "}}",
     NATIVE},
    {.pod = "{'spec': {" APP "}}", "-outrigger.dev/inject is \"disabled\"", NS_OFF},
    {.pod = "{'spec': {" APP "}}", NATIVE, "{'annotations': {'outrigger.dev/inject': 'enabled'}}"},
    /* who is left out */
    {.pod = "{" ON ", 'spec': {" APP "}}",
     "-the namespace belongs to Kubernetes itself",
     NULL,
     "kube-system"},
    {.pod = "{" ON ", 'spec': {" APP "}}",
     "-the namespace belongs to Kubernetes itself",
     NULL,
     "kube-node-lease"},
    {.pod = "{" ON ", 'spec': {" APP "}}",
     "-the namespace is the controller's own",
     NULL,
     "outrigger-system"},
    {.pod = "{" ON ", 'spec': {'hostNetwork': true, " APP "}}",
     "-the pod uses its node's network: redirecting it would redirect the node"},
    {.pod = "{" ON ", 'spec': {'hostNetwork': false, " APP "}}", NATIVE},
    {.pod = "{" ON ", 'spec': {'nodeSelector': {'kubernetes.io/os': 'windows'}, " APP "}}",
     "-the pod is for Windows nodes"},
    {.pod = "{" ON ", 'spec': {'nodeSelector': {'kubernetes.io/os': 'linux'}, " APP "}}", NATIVE},
    {.pod = "{" ON ", 'spec': {'os': {'name': 'windows'}, " APP "}}",
     "-the pod is for Windows nodes"},
    {.pod = "{" ON ", 'spec': {'containers': [{'name': 'outrigger-proxy'}, {'name': 'app'}]}}",
     "-the pod has a container outrigger-proxy already"},
    {.pod = "{" ON ", 'spec': {'initContainers': [{'name': 'outrigger-proxy'}], " APP "}}",
     "-the pod has a container outrigger-proxy already"},
    {.pod = "{" ON ", 'spec': {'volumes': [{'name': 'outrigger-token'}], " APP "}}",
     "-the pod has a container or volume of its own whose name begins with outrigger-"},
    {.pod = "{" ON ", 'spec': {'containers': []}}", "-the pod has no containers"},
    {.pod = "{" ON "}", "-the pod has no containers"},
    {.pod = "{" ON ", 'spec': {'containers': {'name': 'app'}}}", "-the pod has no containers"},
    {.pod = "{" ON ", 'spec': [1]}", "-the pod has no containers"},
    {.pod = "{'metadata': 7, 'spec': 'x'}", NOT_ASKED},
    {.pod = "[]", NOT_ASKED},
    /* where the parts go */
    {.pod = "{" ON ", 'spec': {'initContainers': [{'name': 'a'}, {'name': 'b'}], " APP "}}",
     "+outrigger-init,outrigger-proxy,a,b/app/outrigger-token,outrigger-anchors"},
    {.pod = "{" ON ", 'spec': {'initContainers': [], 'volumes': [], " APP "}}", NATIVE},
    {.pod = "{" ON ", 'spec': {'initContainers': null, 'volumes': null, " APP "}}", NATIVE},
    {.pod = "{" ON
            ", 'spec': {'volumes': [{'name': 'data'}], 'containers': [{'name': 'app'}, {'name': "
            "'log'}]}}",
     "+outrigger-init,outrigger-proxy/app,log/data,outrigger-token,outrigger-anchors"},
    {.pod = "{" ON ", 'spec': {" APP "}}", ORDINARY, .sidecars = INJECT_ORDINARY},
    {.pod = "{" ON ", 'spec': {" APP "}}",
     "+outrigger-proxy/app/outrigger-token,outrigger-anchors",
     .has_cni = true},
    {.pod = "{" ON ", 'spec': {" APP "}}",
     "+/outrigger-proxy,app/outrigger-token,outrigger-anchors",
     .has_cni = true,
     .sidecars = INJECT_ORDINARY},
    {.pod = "{'metadata': {'annotations': {'outrigger.dev/inject': 'enabled', "
            "'outrigger.dev/native-sidecar': 'false'}}, 'spec': {" APP "}}",
     ORDINARY},
    {.pod = "{'metadata': {'annotations': {'outrigger.dev/inject': 'enabled', "
            "'outrigger.dev/native-sidecar': 'true'}}, 'spec': {" APP "}}",
     NATIVE,
     .sidecars = INJECT_ORDINARY},
    {.pod = "{" ON ", 'spec': {'initContainers': [{'name': 'a'}], " APP "}}",
     "+outrigger-init,a/outrigger-proxy,app/outrigger-token,outrigger-anchors; init containers run "
     "before the proxy, as it is an ordinary container: what they call does not answer",
     .sidecars = INJECT_ORDINARY},
    /* shapes that change nothing */
    {.pod = "{" ON ", 'spec': {'shareProcessNamespace': true, 'hostPID': true, " APP "}}", NATIVE},
    {.pod = "{" ON ", 'spec': {'securityContext': {'runAsUser': 1000, 'runAsNonRoot': true}, " APP
            "}}",
     NATIVE},
    {.pod =
         "{" ON ", 'spec': {'containers': [{'name': 'app', 'ports': [{'containerPort': 8080, "
         "'hostPort': 80, 'name': 'web'}], 'securityContext': {'readOnlyRootFilesystem': true}}]}}",
     NATIVE},
    {.pod = "{" ON ", 'spec': {'ephemeralContainers': [{'name': 'debug'}], " APP "}}", NATIVE},
    {.pod = "{" ON ", 'spec': {'restartPolicy': 'Never', " APP "}}", NATIVE},
    {.pod = "{'metadata': {'generateName': 'web-', 'labels': {'app': 'web'}}, 'spec': {" APP "}}",
     NATIVE,
     NS_ON},
    /* what people are told */
    {.pod = "{" ON ", 'spec': {'restartPolicy': 'OnFailure', " APP "}}",
     ORDINARY "; the pod does not end with its application, as the proxy is an ordinary container: "
              "use native sidecars, or POST /quit to the proxy's admin port",
     .sidecars = INJECT_ORDINARY},
    {.pod =
         "{" ON ", 'spec': {'containers': [{'name': 'app', 'ports': [{'containerPort': 15006}]}]}}",
     NATIVE "; container app listens on port 15006, which is the proxy's"},
    {.pod = "{" ON
            ", 'spec': {'containers': [{'name': 'app', 'securityContext': {'runAsUser': 1337}}]}}",
     NATIVE "; container app runs as user 1337, as the proxy does: what it calls is not in the "
            "mesh"},
    {.pod = "{" ON ", 'spec': {'dnsPolicy': 'Default', " APP "}}",
     NATIVE "; dnsPolicy is \"Default\": the proxy must find controller:15010 with it"},
    {.pod = "{" ON ", 'spec': {'containers': [{'name': 'app', 'resources': {'limits': {'cpu': '1', "
            "'memory': '1Gi'}}}]}}",
     NATIVE
     "; the pod's QoS class becomes Burstable; it stays Guaranteed with "
     "outrigger.dev/proxy-cpu-limit and proxy-memory-limit that are as the proxy's requests"},
    {.pod = "{'metadata': {'annotations': {'outrigger.dev/inject': 'enabled', "
            "'outrigger.dev/proxy-cpu-limit': '10m', 'outrigger.dev/proxy-memory-limit': '32Mi'}}, "
            "'spec': {'containers': [{'name': 'app', 'resources': {'limits': {'cpu': '1', "
            "'memory': '1Gi'}, 'requests': {'cpu': '1'}}}]}}",
     NATIVE},
    {.pod = "{" ON ", 'spec': {'securityContext': {'runAsUser': 1337}, " APP "}}",
     NATIVE "; container app runs as user 1337, as the proxy does: what it calls is not in the "
            "mesh"},
    {.pod =
         "{" ON ", 'spec': {'securityContext': {'runAsUser': 1337}, 'containers': [{'name': 'app', "
         "'securityContext': {'runAsUser': 5}}]}}",
     NATIVE},
    {.pod = "{'metadata': {'annotations': {'outrigger.dev/inject': 'enabled', "
            "'outrigger.dev/admin-prot': "
            "'15000'}}, 'spec': {" APP "}}",
     NATIVE "; " INSIDE "admin-prot\"]: there is no such setting; did you mean "
            "\"outrigger.dev/admin-port\"?"},
    {.pod = "{'metadata': {'annotations': {'outrigger.dev/inject': 'enabled', "
            "'outrigger.dev/admin-port': "
            "'15006'}}, 'spec': {" APP "}}",
     NATIVE "; " INSIDE "admin-port\"]: connections are redirected to 15006; the admin port stays "
            "15000"},
    {.pod = "{'metadata': {'annotations': {'outrigger.dev/inject': 'yes'}}, 'spec': {" APP "}}",
     NATIVE "; " INSIDE "inject\"]: \"yes\" is none of enabled, disabled",
     NS_ON},
    {.pod = "{'metadata': {'annotations': {'outrigger.dev/inject': true}}, 'spec': {" APP "}}",
     NOT_ASKED "; metadata: \"outrigger.dev/inject\" is no text: put it in quotes"},
    {.pod = "{'metadata': {'labels': {'outrigger.dev/mtls-mode': 'strict'}}, 'spec': {" APP "}}",
     NATIVE "; metadata.labels[\"outrigger.dev/mtls-mode\"]: is an annotation, not a label",
     NS_ON},
    {.pod = "{'spec': {" APP "}}",
     NATIVE "; the pod's namespace: " INSIDE "proxy-cpu-limit\"]: \"2 cores\" is no quantity "
            "(500m, 2, 64Mi)",
     "{'annotations': {'outrigger.dev/inject': 'enabled', 'outrigger.dev/proxy-cpu-limit': "
     "'2 cores'}}"},
    {.pod = "{'metadata': {'annotations': {'outrigger.dev/inject': 'enabled', "
            "'outrigger.dev/proxy-memory-limit': '16Mi'}}, 'spec': {" APP "}}",
     NATIVE "; the proxy's memory request 32Mi is more than its limit; it is lowered to 16Mi"},
    {.pod =
         "{'metadata': {'annotations': {'outrigger.dev/inject': 'enabled', "
         "'outrigger.dev/drain-timeout': '2m'}}, 'spec': {'terminationGracePeriodSeconds': 60, " APP
         "}}",
     NATIVE "; " INSIDE "drain-timeout\"]: 2m is more than terminationGracePeriodSeconds leaves; "
            "the proxy drains for 1m"},
    {.pod = "{'metadata': {'annotations': {'outrigger.dev/inject': 'enabled', "
            "'outrigger.dev/extra-env': "
            "'A=1,B'}}, 'spec': {" APP "}}",
     NATIVE "; " INSIDE "extra-env\"]: \"A=1,B\" is no list of NAME=VALUE with commas between"},
    {.pod = "{'metadata': {'annotations': {'outrigger.dev/inject': 'enabled', "
            "'outrigger.dev/trace-sampling': '1.5'}}, 'spec': {" APP "}}",
     NATIVE "; " INSIDE "trace-sampling\"]: \"1.5\" is no share (0-1)"},
    {.pod = "{'metadata': {'annotations': {'outrigger.dev/inject': 'enabled', "
            "'outrigger.dev/proxy-workers': '257'}}, 'spec': {" APP "}}",
     NATIVE "; " INSIDE "proxy-workers\"]: \"257\" is not a number between 1 and 256"},
};

static void tell(const json_t *pod, const struct injection *injection, char *text, size_t size)
{
    char init[256], containers[256], volumes[256], warnings[2048];
    test_texts(injection->warnings, "; ", warnings, sizeof(warnings));
    const char *separator = *warnings ? "; " : "";
    if (injection->decision != INJECT_YES) {
        snprintf(text, size, "-%s%s%s", inject_decision_text(injection->decision), separator,
                 warnings);
        return;
    }
    json_t *patched = test_patched(pod, injection);
    const json_t *spec = json_object_get(patched, "spec");
    test_names(json_object_get(spec, "initContainers"), init, sizeof(init));
    test_names(json_object_get(spec, "containers"), containers, sizeof(containers));
    test_names(json_object_get(spec, "volumes"), volumes, sizeof(volumes));
    snprintf(text, size, "+%s/%s/%s%s%s", init, containers, volumes, separator, warnings);
    json_decref(patched);
}

/* The second admission patches nothing. */
static bool is_idempotent(const json_t *pod, const struct row *row, const json_t *namespace,
                          const struct inject_settings *settings, const struct injection *first)
{
    struct injection second;
    json_t *patched = test_patched(pod, first);
    assert_true(inject_pod(patched, row->namespace ? row->namespace : "shop", namespace, settings,
                           &second));
    bool is_same =
        patched && json_array_size(second.patch) == 0 &&
        second.decision == (first->decision == INJECT_YES ? INJECT_ALREADY : first->decision);
    injection_fini(&second);
    json_decref(patched);
    return is_same;
}

static void pods_of_every_shape(void **state)
{
    (void)state;
    size_t n_bad = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct inject_settings settings = test_settings;
        settings.sidecars = row->sidecars;
        settings.has_cni = row->has_cni;
        json_t *pod = test_json(row->pod), *namespace = test_json(row->namespace_metadata);
        struct injection injection;
        char got[4096];
        assert_true(inject_pod(pod, row->namespace ? row->namespace : "shop", namespace, &settings,
                               &injection));
        tell(pod, &injection, got, sizeof(got));
        bool is_same = strcmp(got, row->expected) == 0;
        if (!is_same || !is_idempotent(pod, row, namespace, &settings, &injection)) {
            print_error("pod %s\n     got %s\nexpected %s\n", row->pod, got, row->expected);
            n_bad++;
        }
        injection_fini(&injection);
        json_decref(pod);
        json_decref(namespace);
    }
    assert_int_equal(n_bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pods_of_every_shape)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

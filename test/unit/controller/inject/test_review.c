/* AdmissionReview in, its answer out: what is taken, what is not, and what is said then. */
#include "test/unit/controller/inject/injected.h"

#include "controller/inject/review.h"

#define REVIEW(request)                                                                            \
    "{'apiVersion': 'admission.k8s.io/v1', 'kind': 'AdmissionReview', 'request': {'uid': 'u-1', "  \
    "'namespace': 'shop', 'operation': 'CREATE', " request "}}"
#define POD      REVIEW("'kind': {'kind': 'Pod'}, 'object': {'spec': {'containers': [{'name': 'a'}]}}")
#define ANSWERED "{'allowed': true, 'auditAnnotations': {'decision': '"
#define OWN(kind, spec)                                                                            \
    REVIEW("'object': {'apiVersion': 'outrigger.dev/v1alpha1', 'kind': '" kind "', 'metadata': "   \
           "{'name': 'p', 'namespace': 'shop'}, 'spec': {" spec "}}")

struct row {
    const char *body;
    const char *expected; /* the response without its uid, or the error */
};

static void check(const json_t *answer, const struct err *err, const struct row *row)
{
    if (!answer) {
        assert_string_equal(err->text, row->expected);
        return;
    }
    json_t *wanted = test_json(row->expected);
    json_t *response = json_deep_copy(json_object_get(answer, "response"));
    assert_string_equal(json_string_value(json_object_get(response, "uid")), "u-1");
    json_object_del(response, "uid");
    if (!json_equal(response, wanted)) {
        char *text = json_dumps(response, 0);
        fail_msg("%s\n     got %s\nexpected %s", row->body, text, row->expected);
    }
    json_decref(response);
    json_decref(wanted);
}

static const char *body_of(const struct row *row, char *text)
{
    snprintf(text, TEXT_BYTES, "%s", row->body);
    for (char *c = text; *c; c++)
        if (*c == '\'')
            *c = '"';
    return text;
}

static const struct row injecting[] = {
    {"", "not JSON: line 1: '[' or '{' expected near end of file"},
    {"{", "not JSON: line 1: string or '}' expected near end of file"},
    {"[]", "kind: expected AdmissionReview"},
    {"{'kind': 'AdmissionReview', 'apiVersion': 'admission.k8s.io/v1beta1'}",
     "apiVersion: expected admission.k8s.io/v1"},
    {"{'kind': 'AdmissionReview', 'apiVersion': 'admission.k8s.io/v1'}", "request.uid: is missing"},
    {"{'kind': 'AdmissionReview', 'apiVersion': 'admission.k8s.io/v1', 'request': {'uid': 7}}",
     "request.uid: is missing"},
    {REVIEW("'kind': {'kind': 'Pod'}"), "request.object: expected a Pod"},
    {REVIEW("'kind': {'kind': 'Pod'}, 'object': [1]"), "request.object: expected a Pod"},
    {REVIEW("'kind': {'kind': 'Secret'}, 'object': {}"), ANSWERED "not a new pod'}}"},
    {REVIEW("'kind': 'Pod', 'object': {}"), ANSWERED "not a new pod'}}"},
    {POD, ANSWERED
     "outrigger.dev/inject is \\u0022enabled\\u0022 on neither the pod nor its namespace'}}"},
    {REVIEW("'kind': {'kind': 'Pod'}, 'object': {'metadata': {'labels': {'outrigger.dev/inject': "
            "'enabled'}}, 'spec': {'hostNetwork': true}}"),
     "{'allowed': true, 'warnings': ['outrigger-proxy is not injected: the pod uses its "
     "node\\u0027s "
     "network: redirecting it would redirect the node'], 'auditAnnotations': {'decision': 'the pod "
     "uses its node\\u0027s network: redirecting it would redirect the node'}}"},
};

static void what_is_injected(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(injecting) / sizeof(injecting[0]); i++) {
        char body[TEXT_BYTES];
        struct review_outcome outcome;
        struct err err = {0};
        json_t *answer = review_inject(slice_str(body_of(&injecting[i], body)), &test_settings,
                                       &(struct review_namespaces){0}, &outcome, &err);
        check(answer, &err, &injecting[i]);
        json_decref(answer);
    }
}

static json_t *enabled(void *context, const char *name)
{
    (void)context;
    return strcmp(name, "shop") == 0 ? test_json("{'labels': {'outrigger.dev/inject': 'enabled'}}")
                                     : NULL;
}

static void a_patch_is_base64(void **state)
{
    (void)state;
    const struct review_namespaces namespaces = {.metadata = enabled};
    const struct row row = {POD, ""};
    char body[TEXT_BYTES];
    struct review_outcome outcome;
    struct err err;
    json_t *answer =
        review_inject(slice_str(body_of(&row, body)), &test_settings, &namespaces, &outcome, &err);
    const json_t *response = json_object_get(answer, "response");
    const char *patch = json_string_value(json_object_get(response, "patch"));
    assert_true(outcome.is_patched);
    assert_string_equal(json_string_value(json_object_get(response, "patchType")), "JSONPatch");
    assert_non_null(patch);
    assert_int_equal(strlen(patch) % 4, 0);
    assert_memory_equal(patch, "W3si", 4); /* [{" */
    json_decref(answer);
}

static const struct row validating[] = {
    {REVIEW("'object': null"), ANSWERED "nothing to validate'}}"},
    {REVIEW("'object': 'x'"), "request.object: expected an object"},
    {REVIEW("'object': {'apiVersion': 'v1', 'kind': 'Secret'}"), ANSWERED "accepted'}}"},
    {OWN("AccessPolicy", "'action': 'Allow', 'rules': [{'to': [{'ports': [80]}]}]"),
     ANSWERED "accepted'}}"},
    {OWN("AccessPolicy", "'action': 'Alow'"),
     "{'allowed': false, 'status': {'status': 'Failure', 'code': 422, 'reason': 'Invalid', "
     "'message': 'spec.action: \\u0022Alow\\u0022 is none of Allow, Deny, Audit'}}"},
    {OWN("AccessPolicy", "'action': 'Allow', 'rules': [{'too': []}]"),
     "{'allowed': false, 'status': {'status': 'Failure', 'code': 422, 'reason': 'Invalid', "
     "'message': 'spec.rules[0].too: there is no such field; did you mean \\u0022to\\u0022?'}}"},
    {OWN("TrafikPolicy", ""),
     "{'allowed': false, 'status': {'status': 'Failure', 'code': 422, 'reason': 'Invalid', "
     "'message': 'kind: \\u0022TrafikPolicy\\u0022 is no kind of outrigger.dev; did you mean "
     "\\u0022TrafficPolicy\\u0022?'}}"},
    {REVIEW("'object': {'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'annotations': "
            "{'outrigger.dev/opaque-prots': '1'}}}"),
     "{'allowed': true, 'warnings': ['metadata.annotations[\\u0022outrigger.dev/opaque-prots"
     "\\u0022]: there is no such setting; did you mean \\u0022outrigger.dev/opaque-ports"
     "\\u0022?'], 'auditAnnotations': {'decision': 'accepted'}}"},
};

static void what_is_valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(validating) / sizeof(validating[0]); i++) {
        char body[TEXT_BYTES];
        struct review_outcome outcome;
        struct err err = {0};
        json_t *answer = review_validate(slice_str(body_of(&validating[i], body)), &outcome, &err);
        check(answer, &err, &validating[i]);
        json_decref(answer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_injected),
        cmocka_unit_test(a_patch_is_base64),
        cmocka_unit_test(what_is_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

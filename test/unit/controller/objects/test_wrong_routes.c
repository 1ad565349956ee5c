#include "test/unit/controller/objects/wrong.h"

#define ROUTE(kind)                                                                                \
    "apiVersion: gateway.networking.k8s.io/v1\nkind: " kind "\nmetadata: {name: r}\nspec:\n"       \
    "  parentRefs: [{group: \"\", kind: Service, name: api}]\n"
#define HTTP(rule)   ROUTE("HTTPRoute") "  rules: [" rule "]\n"
#define GRPC(rule)   ROUTE("GRPCRoute") "  rules: [" rule "]\n"
#define FILTER(what) HTTP("{filters: [" what "]}")
#define AT           "x.yaml:6: spec.rules[0]"
#define HTTP_FILTER(spec)                                                                          \
    "apiVersion: outrigger.dev/v1alpha1\nkind: HTTPFilter\nmetadata: {name: f}\nspec: " spec "\n"
#define POLICY(service)                                                                            \
    "apiVersion: outrigger.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: t}\n"               \
    "spec: {targetRefs: [{kind: Service, name: api}], service: {" service "}}\n"

static const struct wrong routes[] = {
    {ROUTE("HTTPRoute"), "x.yaml:5: spec.rules: is missing"},
    {ROUTE("HTTPRoute") "  rule: []\n",
     "x.yaml:6: spec.rule: there is no such field; did you mean \"rules\"?"},
    {HTTP("{match: []}"), AT ".match: there is no such field; did you mean \"matches\"?"},
    {"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\n"
     "spec: {parentRefs: [{kind: Service, group: \"\", name: api, port: 0}]}\n",
     "x.yaml:4: spec.parentRefs[0].port: \"0\" is not a number between 1 and 65535"},
    {HTTP("{matches: [{path: {type: Glob, value: /x}}]}"),
     AT ".matches[0].path.type: \"Glob\" is none of Exact, PathPrefix, RegularExpression"},
    {HTTP("{matches: [{path: {value: x}}]}"),
     AT ".matches[0].path.value: \"x\" does not begin with /"},
    {HTTP("{matches: [{path: {value: /a//b}}]}"),
     AT ".matches[0].path.value: \"/a//b\" is no path in normal form: it would match nothing"},
    {HTTP("{matches: [{path: {value: /a/..}}]}"),
     AT ".matches[0].path.value: \"/a/..\" is no path in normal form: it would match nothing"},
    {HTTP("{matches: [{method: get}]}"),
     AT ".matches[0].method: \"get\" is none of GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, "
        "TRACE, PATCH"},
    {HTTP("{matches: [{headers: [{name: x}]}]}"), AT ".matches[0].headers[0].value: is missing"},
    {HTTP("{backendRefs: [{name: a, port: 80, weight: 1000001}]}"),
     AT ".backendRefs[0].weight: \"1000001\" is not a number between 0 and 1000000"},
    {HTTP("{timeouts: {request: 1s, backendRequest: 2s}}"),
     AT ".timeouts.backendRequest: is longer than `request`, which it is a part of"},
    {HTTP("{retry: {codes: [200]}}"),
     AT ".retry.codes[0]: \"200\" is not a number between 400 and 599"},
    {HTTP("{retry: {attempts: 11}}"),
     AT ".retry.attempts: \"11\" is not a number between 0 and 10"},
    {GRPC("{timeouts: {request: 1s}}"), AT ".timeouts: there is no such field"},
    {GRPC("{matches: [{method: {}}]}"),
     AT ".matches[0].method: names neither a service nor a method"},
    {GRPC("{matches: [{method: {service: a/b}}]}"),
     AT ".matches[0].method: a / stands neither in a service's name nor in a method's"},
    {GRPC("{filters: [{type: URLRewrite, urlRewrite: {}}]}"),
     AT ".filters[0].type: \"URLRewrite\" is none of RequestHeaderModifier, "
        "ResponseHeaderModifier, RequestMirror, ExtensionRef"},
    {FILTER("{type: CORS}"), AT ".filters[0].cors: is missing"},
    {FILTER("{type: CORS, cors: {allowMethods: [\"GET, PUT\"]}}"),
     AT ".filters[0].cors.allowMethods[0]: \"GET, PUT\" is not a method, such as GET"},
    {FILTER("{type: CORS, cors: {allowHeaders: [\"a,b\"]}}"),
     AT ".filters[0].cors.allowHeaders[0]: \"a,b\" cannot stand in a header's list"},
    {FILTER("{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x, value: "
            "\"a\\nb\"}]}}"),
     AT ".filters[0].requestHeaderModifier.set[0].value: has a byte that cannot stand in a header"},
    {FILTER("{type: RequestRedirect, requestRedirect: {statusCode: 305}}"),
     AT ".filters[0].requestRedirect.statusCode: 305 is none of 301, 302, 303, 307, 308"},
    {FILTER("{type: RequestRedirect, requestRedirect: {}}, {type: URLRewrite, urlRewrite: {}}"),
     AT ".filters: RequestRedirect and URLRewrite do not go together"},
    {FILTER("{type: URLRewrite, urlRewrite: {}}, {type: URLRewrite, urlRewrite: {}}"),
     AT ".filters[1]: URLRewrite is there already"},
    {HTTP("{filters: [{type: RequestRedirect, requestRedirect: {}}], backendRefs: [{name: a}]}"),
     AT ".backendRefs: would never be asked: the rule redirects"},
    {HTTP("{matches: [{path: {type: Exact, value: /x}}], filters: [{type: URLRewrite, urlRewrite: "
          "{path: {type: ReplacePrefixMatch, replacePrefixMatch: /y}}}]}"),
     AT ": ReplacePrefixMatch needs matches whose path has type PathPrefix, and no other"},
    {FILTER("{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replacePrefixMatch: "
            "/y}}}"),
     AT ".filters[0].urlRewrite.path.replacePrefixMatch: does not go with this type"},
    {FILTER(
         "{type: RequestMirror, requestMirror: {backendRef: {name: a, port: 80}, percent: 101}}"),
     AT ".filters[0].requestMirror.percent: \"101\" is not a number between 0 and 100"},
    {FILTER("{type: RequestMirror, requestMirror: {backendRef: {name: a, port: 80}, fraction: "
            "{numerator: 3, denominator: 2}}}"),
     AT ".filters[0].requestMirror.fraction.numerator: \"3\" is not a number between 0 and 2"},
    {FILTER("{type: ExtensionRef, extensionRef: {kind: HTTPFilter, name: x}}"),
     AT ".filters[0].extensionRef.group: is missing"},
};

static const struct wrong http_filters[] = {
    {HTTP_FILTER("{}"), "x.yaml:4: spec: needs one of directResponse and fault, and not both"},
    {HTTP_FILTER("{fault: {delay: {duration: 1s}}, directResponse: {}}"),
     "x.yaml:4: spec: needs one of directResponse and fault, and not both"},
    {HTTP_FILTER("{directResponse: {status: 100}}"),
     "x.yaml:4: spec.directResponse.status: \"100\" is not a number between 200 and 599"},
    {HTTP_FILTER("{directResponse: {status: 204, body: x}}"),
     "x.yaml:4: spec.directResponse.body: an answer with status 204 has none"},
    {HTTP_FILTER("{directResponse: {contentType: \"a\\nb\"}}"),
     "x.yaml:4: spec.directResponse.contentType: has a byte that cannot stand in a header"},
    {HTTP_FILTER("{fault: {}}"), "x.yaml:4: spec.fault: says nothing: expected delay or abort"},
    {HTTP_FILTER("{fault: {delay: {percentage: 5}}}"),
     "x.yaml:4: spec.fault.delay.duration: is missing"},
    {HTTP_FILTER("{fault: {abort: {percentage: 5}}}"),
     "x.yaml:4: spec.fault.abort: says nothing: expected httpStatus or grpcStatus"},
    {HTTP_FILTER("{fault: {abort: {httpStatus: 503, percentage: 500}}}"),
     "x.yaml:4: spec.fault.abort.percentage: \"500\" is not a number between 0 and 100"},
    {HTTP_FILTER("{fault: {abort: {grpcStatus: Unavailble}}}"),
     "x.yaml:4: spec.fault.abort.grpcStatus: \"Unavailble\" is none of Cancelled, Unknown, "
     "InvalidArgument, DeadlineExceeded, NotFound, AlreadyExists, PermissionDenied, "
     "ResourceExhausted, FailedPrecondition, Aborted, OutOfRange, Unimplemented, Internal, "
     "Unavailable, DataLoss, Unauthenticated"},
};

static const struct wrong retries[] = {
    {POLICY("retries: {attempts: 11}"),
     "x.yaml:4: spec.service.retries.attempts: \"11\" is not a number between 0 and 10"},
    {POLICY("retries: {retryOn: []}"),
     "x.yaml:4: spec.service.retries.retryOn: is empty: leave it out, or name at least one"},
    {POLICY("retries: {retryOn: [5xx]}"),
     "x.yaml:4: spec.service.retries.retryOn[0]: \"5xx\" is none of ConnectFailure, Reset, an HTTP "
     "status (400-599) and the name of a gRPC code, as Unavailable"},
    {POLICY("retries: {retryOn: [200]}"),
     "x.yaml:4: spec.service.retries.retryOn[0]: \"200\" is not a number between 400 and 599"},
    {POLICY("retryBudget: {}"),
     "x.yaml:4: spec.service.retryBudget: sets nothing: expected percent or minPerSecond"},
    {POLICY("retryBudget: {percent: 101}"),
     "x.yaml:4: spec.service.retryBudget.percent: \"101\" is not a number between 1 and 100"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_routes(void **state)
{
    (void)state;
    check_wrong(routes, COUNT(routes));
}

static void test_http_filters(void **state)
{
    (void)state;
    check_wrong(http_filters, COUNT(http_filters));
}

static void test_retries(void **state)
{
    (void)state;
    check_wrong(retries, COUNT(retries));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_http_filters),
        cmocka_unit_test(test_retries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

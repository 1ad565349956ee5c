"""What a proxy is told of the routes of a Service, and when it is told again."""
import pytest
from mesh import manifests as objects
from mesh.wait import wait_until
from xds import DeltaStream, LocalController

VIP = "10.96.0.1:80"
GATEWAY = "gateway.networking.k8s.io/"


def service(name, ip, namespace="shop"):
    return objects.service(namespace, name, [ip], {"http": (80, 8080)}, {"app": name})


def route(rules, name="r", namespace="shop", kind="HTTPRoute", parent="api", **parent_more):
    version = "v1alpha2" if kind == "TCPRoute" else "v1"
    return {"apiVersion": GATEWAY + version, "kind": kind,
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"parentRefs": [{"group": "", "kind": "Service", "name": parent, "port": 80,
                                     **parent_more}], "rules": rules}}


def consumers_route():
    made = route([{}], name="own", namespace="till")
    made["spec"]["parentRefs"][0]["namespace"] = "shop"
    return made


def to(name, **more):
    return {"name": name, "port": 80, **more}


def grant():
    return {"apiVersion": GATEWAY + "v1beta1", "kind": "ReferenceGrant",
            "metadata": {"namespace": "pay", "name": "shop"},
            "spec": {"from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute",
                               "namespace": "shop"}],
                     "to": [{"group": "", "kind": "Service"}]}}


def http_filter(name, spec):
    return {"apiVersion": objects.API, "kind": "HTTPFilter",
            "metadata": {"namespace": "shop", "name": name}, "spec": spec}


@pytest.fixture(name="shared")
def own_controller():
    controller = LocalController()
    for namespace in ("shop", "pay", "till"):
        controller.manifests.put(objects.namespace(namespace))
        controller.manifests.put(objects.service_account(namespace, "web"))
    controller.manifests.put(service("api", "10.96.0.1"))
    controller.manifests.put(service("bank", "10.96.0.9", namespace="pay"))
    with controller:
        yield controller


@pytest.fixture(name="stream")
def subscribed_stream(shared):
    with DeltaStream(shared.relay_as("shop", "web")) as stream:
        stream.request("Service", [VIP])
        assert not stream.expect("Service", [VIP])[VIP].rules
        yield stream


def told(stream):
    return stream.expect("Service", [VIP])[VIP]


def backends(message):
    return [backend.endpoints or backend.why.partition(":")[0]
            for rule in message.rules for backend in rule.backends]


def conditions(controller, kind="HTTPRoute", name="r"):
    """{type: (status, reason, message)} of the route's first parent."""
    listed = controller.admin("/objects").json()["objects"][kind]
    parent = next(item for item in listed if item["name"] == name)["parents"][0]
    return {item["type"]: (item["status"], item["reason"], item["message"])
            for item in parent["conditions"]}


def problems(controller):
    return controller.admin("/objects").json()["problems"]


def test_a_route_comes_changes_and_goes(shared, stream):
    path = shared.manifests.put(route([{"backendRefs": [to("api")]}]))
    message = told(stream)
    assert [rule.name for rule in message.rules] == ["HTTPRoute/shop/r/0"]
    assert backends(message) == ["shop/api/http"]
    assert conditions(shared) == {"Accepted": ("True", "Accepted", ""),
                                  "ResolvedRefs": ("True", "ResolvedRefs", "")}
    shared.manifests.put(route([{"matches": [{"path": {"type": "Exact", "value": "/x"}}],
                                 "backendRefs": [to("api", weight=3)]}]))
    message = told(stream)
    assert message.matches[0].path == "/x" and message.rules[0].backends[0].weight == 3
    shared.manifests.remove(path)
    assert not told(stream).rules
    stream.expect_silence()


def test_backends_and_grants_come_and_go(shared, stream):
    shared.manifests.put(route([{"backendRefs": [to("late"), to("bank", namespace="pay")]}]))
    assert backends(told(stream)) == ["BackendNotFound", "RefNotPermitted"]
    assert conditions(shared)["ResolvedRefs"][:2] == ("False", "BackendNotFound")
    late = shared.manifests.put(service("late", "10.96.0.7"))
    assert backends(told(stream)) == ["shop/late/http", "RefNotPermitted"]
    assert conditions(shared)["ResolvedRefs"] == (
        "False", "RefNotPermitted", "spec.rules[0]: no ReferenceGrant in namespace pay lets a "
        "HTTPRoute of namespace shop send to Service bank")
    granted = shared.manifests.put(grant())
    assert backends(told(stream)) == ["shop/late/http", "pay/bank/http"]
    assert conditions(shared)["ResolvedRefs"][0] == "True" and not problems(shared)
    shared.manifests.remove(granted)
    assert backends(told(stream)) == ["shop/late/http", "RefNotPermitted"]
    shared.manifests.remove(late)
    assert backends(told(stream)) == ["BackendNotFound", "RefNotPermitted"]


def test_a_filter_of_ours_comes_and_goes(shared, stream):
    reference = {"group": "outrigger.dev", "kind": "HTTPFilter", "name": "closed"}
    shared.manifests.put(route([{"filters": [{"type": "ExtensionRef", "extensionRef": reference}],
                                 "backendRefs": [to("api")]}]))
    assert backends(told(stream)) == ["BackendNotFound"], "no request passes without the filter"
    path = shared.manifests.put(http_filter("closed", {"directResponse": {"status": 503}}))
    message = told(stream)
    assert message.rules[0].filters[0].direct_response.status == 503
    assert backends(message) == ["shop/api/http"]
    shared.manifests.put(http_filter("closed", {"fault": {"abort": {"grpcStatus": "Aborted"}}}))
    assert told(stream).rules[0].filters[0].fault.abort_grpc_status == 10
    shared.manifests.remove(path)
    assert backends(told(stream)) == ["BackendNotFound"]


def test_a_consumers_route_is_told_to_its_namespace_alone(shared, stream):
    with DeltaStream(shared.relay_as("till", "web"), node="till/web-1") as till:
        till.request("Service", [VIP])
        assert not told(till).rules
        path = shared.manifests.put(consumers_route())
        assert [rule.name for rule in told(till).rules] == ["HTTPRoute/till/own/0"]
        stream.expect_silence()
        shared.manifests.put(route([{"matches": [{"path": {"type": "Exact", "value": "/x"}}]}]))
        message = told(till)
        assert [message.rules[match.rule].name for match in message.matches] == [
            "HTTPRoute/till/own/0", "HTTPRoute/shop/r/0"]
        assert [rule.name for rule in told(stream).rules] == ["HTTPRoute/shop/r/0"]
        shared.manifests.remove(path)
        assert [rule.name for rule in told(till).rules] == ["HTTPRoute/shop/r/0"]
        stream.expect_silence()


def test_a_policy_retries_where_the_route_says_nothing(shared, stream):
    shared.manifests.put({
        "apiVersion": objects.API, "kind": "TrafficPolicy",
        "metadata": {"namespace": "shop", "name": "api"},
        "spec": {"targetRefs": [{"kind": "Service", "name": "api"}],
                 "service": {"retries": {"attempts": 4, "retryOn": [503, "Unavailable"]},
                             "retryBudget": {"percent": 50}}}})
    message = told(stream)
    assert message.retry_budget.percent == 50
    assert backends(message) == ["shop/api/http"]
    assert message.rules[0].retry.attempts == 4
    shared.manifests.put(route([{"retry": {"attempts": 1}}, {}]))
    assert [rule.retry.attempts for rule in told(stream).rules] == [1, 4]


@pytest.mark.parametrize("made, reason, message", [
    (route([{}], parent="none"), "NoMatchingParent", "there is no Service shop/none"),
    (route([{}], port=81), "NoMatchingParent", "Service shop/api has no port 81"),
    (route([{"sessionPersistence": {"sessionName": "x"}}]), "UnsupportedValue",
     "this version does not keep sessions at one endpoint"),
], ids=["service", "port", "unsupported"])
def test_why_a_route_has_no_effect(shared, stream, made, reason, message):
    path = shared.manifests.put(made)
    wait_until(lambda: problems(shared), "the problem")
    status, told_reason, told_message = conditions(shared)["Accepted"]
    assert (status, told_reason) == ("False", reason) and message in told_message
    assert [reason in problem and message in problem for problem in problems(shared)] == [True]
    logged = shared.process.events("route_problem")
    assert len(logged) == 1 and message in logged[0]["error"]
    stream.expect_silence()
    shared.manifests.remove(path)
    wait_until(lambda: not problems(shared), "the problem to be gone")


def test_a_route_of_a_more_specific_kind_decides_alone(shared, stream):
    shared.manifests.put(route([{}]))
    told(stream)
    path = shared.manifests.put(route([{}], kind="GRPCRoute", name="g"))
    assert [rule.name for rule in told(stream).rules] == ["GRPCRoute/shop/g/0"]
    assert conditions(shared)["Accepted"] == (
        "False", "Conflicted", "GRPCRoute shop/g is attached too, and decides alone")
    shared.manifests.remove(path)
    assert [rule.name for rule in told(stream).rules] == ["HTTPRoute/shop/r/0"]
    assert conditions(shared)["Accepted"][0] == "True"


def test_the_other_rules_of_a_route_stay(shared, stream):
    shared.manifests.put(route([{"sessionPersistence": {}}, {}]))
    assert [rule.name for rule in told(stream).rules] == ["HTTPRoute/shop/r/1"]
    found = conditions(shared)
    assert found["Accepted"][0] == "True"
    assert found["PartiallyInvalid"][:2] == ("True", "UnsupportedValue")
    assert "spec.rules[0].sessionPersistence" in found["PartiallyInvalid"][2]

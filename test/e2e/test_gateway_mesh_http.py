"""The scenarios of the Gateway API's conformance tests for meshes, HTTPRoute: one mesh, a route at a time."""
import collections
import contextlib
import json

import pytest

from mesh import Mesh, Talk, ask, wait_until
from mesh.manifests import API
from mesh.routes import extension, filtered, path, route, to


class Scene:
    """web, and till in a namespace of its own; Service echo before v1 and v2, which have one each."""

    def __init__(self, mesh):
        self.mesh = mesh
        self.web, self.till = mesh.pod("web"), mesh.pod("till", namespace="consumer")
        for version in ("v1", "v2"):
            pod = mesh.pod(f"echo-{version}", labels={"app": "echo", "version": version},
                           ports={"http": 8080})
            pod.run_app("http_echo.py", "8080", "--name", version)
            setattr(self, version, self.service(f"echo-{version}",
                                                {"app": "echo", "version": version}))
        self.echo = self.service("echo", {"app": "echo"})

    def service(self, name, selector):
        return self.mesh.service(name, {"http": (80, 8080), "http-alt": (8080, 8080)},
                                 selector=selector)

    def rules(self, source):
        """What the proxy of this pod knows of Service echo."""
        ask(source, self.echo.ipv4, 80)
        return json.dumps(source.proxy.admin("/services").json())

    @contextlib.contextmanager
    def attached(self, *rules, name="r", source=None, **more):
        """These rules hold in `source`'s proxy until the block's end, and then no longer."""
        source, kind = source or self.web, more.get("kind", "HTTPRoute")
        mark = f"{kind}/{more.get('namespace', 'demo')}/{name}/"
        kept = self.mesh.manifests.put(route(name, rules, **more))
        try:
            wait_until(lambda: mark in self.rules(source), f"{mark} to hold")
            yield
        finally:
            self.mesh.manifests.remove(kept)
            wait_until(lambda: mark not in self.rules(source), f"{mark} to be gone")

    def ask(self, target="/", source=None, service=None, port=80, **options):
        return ask(source or self.web, (service or self.echo).ipv4, port, target, **options)

    def to(self, target="/", **options):
        answer = self.ask(target, **options)
        assert answer.status == 200, answer
        return answer.json()["name"]

    def both(self, **options):
        """Do v1 and v2 answer, as the Service's own backends?"""
        return {self.to(**options) for _ in range(30)} == {"v1", "v2"}


@pytest.fixture(scope="module", name="scene")
def one_scene():
    with Mesh() as mesh:
        scene = Scene(mesh)
        for service, name in ((scene.v1, "v1"), (scene.v2, "v2")):
            wait_until(lambda s=service: scene.ask(service=s).status == 200, f"{name} to be up")
        yield scene


# ---- which requests a route is for -----------------------------------------------------------------


def test_without_a_route_a_service_is_itself(scene):
    assert scene.both()


def test_same_namespace(scene):
    with scene.attached({"backendRefs": [to("echo-v1")]}):
        assert {scene.to() for _ in range(10)} == {"v1"}
    assert scene.both()


def test_frontend_only_the_parent_is_changed(scene):
    """MeshFrontend: the same endpoints under the VIP of another Service are as ever."""
    with scene.attached({"backendRefs": [to("echo-v2")], "filters": [filtered(
            "ResponseHeaderModifier", set=[{"name": "x-frontend", "value": "echo"}])]}):
        assert scene.ask().headers["x-frontend"] == "echo"
        assert scene.to() == "v2"
        assert scene.to(service=scene.v1) == "v1"
        assert "x-frontend" not in scene.ask(service=scene.v2).headers


def test_ports(scene):
    """MeshPorts: a route with a port is for that one, one without for all of the Service."""
    mark = filtered("ResponseHeaderModifier", set=[{"name": "x-port", "value": "routed"}])
    rule = {"backendRefs": [to("echo-v1")], "filters": [mark]}
    for more, routed in [({"port": 80}, {80}), ({"port": 80, "sectionName": "http"}, {80}),
                         ({"sectionName": "http"}, {80}), ({}, {80, 8080})]:
        with scene.attached(rule, **more):
            wait_until(lambda: {port for port in (80, 8080)
                                if "x-port" in scene.ask(port=port).headers} == routed,
                       f"the route with {more}")


def test_consumer_routes_are_for_their_namespace(scene):
    """MeshConsumerRoute: the callers of the route's namespace follow it, others do not."""
    mark = filtered("ResponseHeaderModifier", set=[{"name": "x-header-set", "value": "consumer"}])
    with scene.attached({"backendRefs": [to("echo-v1", namespace="demo")], "filters": [mark]},
                        name="own", namespace="consumer", namespace_of="demo", source=scene.till):
        answer = scene.ask(source=scene.till)
        # Its backend is in another namespace than the route.
        assert answer.status == 500 and "no_backend" in answer.text
        grant = scene.mesh.manifests.put({
            "apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "ReferenceGrant",
            "metadata": {"namespace": "demo", "name": "consumers"},
            "spec": {"from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute",
                               "namespace": "consumer"}],
                     "to": [{"group": "", "kind": "Service"}]}})
        wait_until(lambda: scene.ask(source=scene.till).status == 200, "the grant to hold")
        answer = scene.ask(source=scene.till)
        assert answer.headers["x-header-set"] == "consumer" and answer.json()["name"] == "v1"
        assert "x-header-set" not in scene.ask().headers and scene.both()
        scene.mesh.manifests.remove(grant)


def test_matching(scene):
    """MeshHTTPRouteMatching, and the order of several that match."""
    version = {"headers": [{"name": "version", "value": "two"}]}
    with scene.attached(
            {"matches": [path("/"), version], "backendRefs": [to("echo-v1")]},
            {"matches": [path("/v2"), {**path("/"), **version}], "backendRefs": [to("echo-v2")]},
            {"matches": [{**path("/v2"), "method": "PATCH"}], "backendRefs": [to("echo-v1")]},
            {"matches": [path("/v2/exact", "Exact")], "backendRefs": [to("echo-v1")]}):
        for target, options, expected in [
                ("/", {}, "v1"), ("/example", {}, "v1"), ("/", {"headers": {"version": "one"}}, "v1"),
                ("/v2", {}, "v2"), ("/v2example", {}, "v1"), ("/v2/example", {}, "v2"),
                ("/foo/v2/example", {}, "v1"), ("/", {"headers": {"Version": "two"}}, "v1"),
                ("/v2", {"method": "PATCH"}, "v1"), ("/v2/exact", {}, "v1")]:
            assert scene.to(target, **options) == expected, (target, options)


def test_query_parameters(scene):
    """MeshHTTPRouteQueryParamMatching."""
    def query(**wanted):
        return {"queryParams": [{"name": name, "value": value} for name, value in wanted.items()]}
    with scene.attached(
            {"matches": [query(animal="whale")], "backendRefs": [to("echo-v1")]},
            {"matches": [query(animal="dolphin", color="blue"), {**path("/p"), **query(color="red")}],
             "backendRefs": [to("echo-v2")]}):
        for target, status, expected in [
                ("/?animal=whale", 200, "v1"), ("/?animal=dolphin&color=blue", 200, "v2"),
                ("/p?color=red", 200, "v2"), ("/?animal=dolphin", 404, None), ("/?color=red", 404, None),
                ("/?animal=whales", 404, None), ("/", 404, None)]:
            answer = scene.ask(target)
            assert answer.status == status, target
            assert expected is None or answer.json()["name"] == expected, target


def test_named_rules(scene):
    """MeshHTTPRouteNamedRule."""
    with scene.attached({"name": "named", "matches": [path("/named")], "backendRefs": [to("echo-v1")]},
                        {"backendRefs": [to("echo-v2")]}):
        assert scene.to("/named") == "v1" and scene.to("/unnamed") == "v2"
        logged = scene.web.proxy.wait_for_event("request", path="/named")
        assert logged["route"] == "HTTPRoute/demo/r/named"


# ---- where they go -----------------------------------------------------------------------------------


def test_weights(scene):
    """MeshHTTPRouteWeight and MeshTrafficSplit."""
    with scene.attached({"backendRefs": [to("echo-v1", 70), to("echo-v2", 30)]}):
        with Talk(scene.web, scene.echo.ipv4, 80) as talk:
            seen = collections.Counter(talk.ask("/").json()["name"] for _ in range(500))
        assert 299 < seen["v1"] < 401, seen  # five standard deviations
    with scene.attached({"backendRefs": [to("echo-v1", 0), to("echo-v2", 1)]}):
        assert {scene.to() for _ in range(20)} == {"v2"}


def test_a_request_header_for_one_backend(scene):
    """MeshHTTPRouteBackendRequestHeaderModifier."""
    added = filtered("RequestHeaderModifier", add=[{"name": "x-backend", "value": "one"}])
    with scene.attached({"backendRefs": [to("echo-v1", filters=[added]), to("echo-v2")]}):
        answers = [scene.ask().json() for _ in range(30)]
        assert {answer["name"] for answer in answers} == {"v1", "v2"}
        for answer in answers:
            names = [name.lower() for name, _ in answer["fields"]]
            assert ("x-backend" in names) == (answer["name"] == "v1")


# ---- what is changed -----------------------------------------------------------------------------------


@pytest.mark.parametrize("edit, sent, seen", [
    ({"set": [{"name": "X-Header-Set", "value": "new"}]}, {}, {"x-header-set": ["new"]}),
    ({"set": [{"name": "X-Header-Set", "value": "new"}]}, {"x-header-set": "old"},
     {"x-header-set": ["new"]}),
    ({"add": [{"name": "X-Header-Add", "value": "new"}]}, {}, {"x-header-add": ["new"]}),
    ({"add": [{"name": "X-Header-Add", "value": "new"}]}, {"x-header-add": "old"},
     {"x-header-add": ["old", "new"]}),
    ({"remove": ["X-Header-Remove"]}, {"x-header-remove": "old"}, {"x-header-remove": []}),
], ids=["set", "set over", "add", "add to", "remove"])
def test_request_headers(scene, edit, sent, seen):
    """MeshHTTPRouteRequestHeaderModifier."""
    with scene.attached({"backendRefs": [to("echo-v1")],
                         "filters": [filtered("RequestHeaderModifier", **edit)]}):
        fields = scene.ask(headers=sent).json()["fields"]
        for name, values in seen.items():
            came = [part.strip() for key, value in fields if key.lower() == name
                    for part in value.split(",")]
            assert came == values, fields


@pytest.mark.parametrize("redirect, location", [
    ({"hostname": "example.org"}, (302, "http://example.org/old/page?q=1")),
    ({"hostname": "example.org", "statusCode": 301}, (301, "http://example.org/old/page?q=1")),
    ({"hostname": "example.org", "statusCode": 303}, (303, "http://example.org/old/page?q=1")),
    ({"hostname": "example.org", "statusCode": 307}, (307, "http://example.org/old/page?q=1")),
    ({"hostname": "example.org", "statusCode": 308}, (308, "http://example.org/old/page?q=1")),
    ({"scheme": "https", "hostname": "example.org"}, (302, "https://example.org/old/page?q=1")),
    ({"port": 8083}, (302, "http://echo:8083/old/page?q=1")),
    ({"scheme": "https"}, (302, "https://echo/old/page?q=1")),
    ({"scheme": "https", "port": 8443}, (302, "https://echo:8443/old/page?q=1")),
    ({"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"}},
     (302, "http://echo/new/page?q=1")),
    ({"path": {"type": "ReplaceFullPath", "replaceFullPath": "/all"}}, (302, "http://echo/all?q=1")),
], ids=["host", "301", "303", "307", "308", "scheme and host", "port", "scheme", "scheme and port",
        "prefix", "path"])
def test_redirects(scene, redirect, location):
    """MeshHTTPRouteRedirectHostAndStatus, -Path, -Port, MeshHTTPRouteSchemeRedirect, 303, 307, 308."""
    with scene.attached({"matches": [path("/old")], "filters": [filtered("RequestRedirect", **redirect)]},
                        {"backendRefs": [to("echo-v1")]}):
        answer = scene.ask("/old/page?q=1", headers={"host": "echo"})
        assert (answer.status, answer.headers["location"]) == location


@pytest.mark.parametrize("rewrite, target, seen", [
    ({"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/one"}}, "/prefix/three", "/one/three"),
    ({"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}, "/prefix/three", "/three"),
    ({"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}, "/prefix", "/"),
    ({"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/a/b"}}, "/prefix?q", "/a/b?q"),
    ({"path": {"type": "ReplaceFullPath", "replaceFullPath": "/full"}}, "/prefix/x?q", "/full?q"),
])
def test_path_rewrites(scene, rewrite, target, seen):
    """MeshHTTPRouteRewritePath."""
    with scene.attached({"matches": [path("/prefix")], "filters": [filtered("URLRewrite", **rewrite)],
                         "backendRefs": [to("echo-v1")]}, {"backendRefs": [to("echo-v1")]}):
        assert scene.ask(target).json()["target"] == seen


# ---- what the standard has no word for -------------------------------------------------------------------


def test_filters_of_our_own(scene):
    def http_filter(name, **spec):
        return scene.mesh.manifests.put({"apiVersion": API, "kind": "HTTPFilter", "spec": spec,
                                         "metadata": {"namespace": "demo", "name": name}})
    kept = [http_filter("closed", directResponse={"status": 418, "body": "later",
                                                  "contentType": "text/x-note"}),
            http_filter("broken", fault={"abort": {"httpStatus": 507}}),
            http_filter("slow", fault={"delay": {"duration": "300ms"}})]
    with scene.attached({"matches": [path("/closed")], "filters": [extension("closed")]},
                        {"matches": [path("/broken")], "filters": [extension("broken")],
                         "backendRefs": [to("echo-v1")]},
                        {"matches": [path("/slow")], "filters": [extension("slow")],
                         "backendRefs": [to("echo-v1")], "timeouts": {"request": "100ms"}},
                        {"matches": [path("/none")], "filters": [extension("none")],
                         "backendRefs": [to("echo-v1")]},
                        {"backendRefs": [to("echo-v1")]}):
        answer = scene.ask("/closed")
        assert (answer.status, answer.text) == (418, "later")
        assert answer.headers["content-type"] == "text/x-note"
        answer = scene.ask("/broken")
        assert answer.status == 507 and "fault_injected" in answer.text
        assert scene.ask("/slow").status == 504, "the delay is part of the request's time"
        assert scene.ask("/none").status == 500, "no request passes without its filter"
        assert scene.to("/") == "v1"
    for one in kept:
        scene.mesh.manifests.remove(one)


def test_retries_of_the_service(scene):
    kept = scene.mesh.manifests.put({
        "apiVersion": API, "kind": "TrafficPolicy", "metadata": {"namespace": "demo", "name": "echo"},
        "spec": {"targetRefs": [{"kind": "Service", "name": "echo"}],
                 "service": {"retries": {"attempts": 2, "retryOn": [503], "backoff": "1ms"}}}})
    wait_until(lambda: "Service/demo/echo/0" in scene.rules(scene.web), "the policy to hold")
    assert scene.ask("/status/503").status == 503
    logged = scene.web.proxy.wait_for_event("request", path="/status/503")
    assert logged["retries"] == 2
    with scene.attached({"matches": [path("/")], "retry": {"attempts": 0}, "backendRefs": [to("echo-v1")]}):
        assert scene.ask("/status/503").status == 503
        logged = scene.web.proxy.wait_for_event("request", route="HTTPRoute/demo/r/0", status=503)
        assert logged["retries"] == 0, "a route's own word goes before"
    scene.mesh.manifests.remove(kept)

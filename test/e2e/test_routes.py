"""HTTPRoutes attached to a Service: what a client sees of each match, filter, weight, timeout and retry."""
import collections
import json
import signal

import pytest

from mesh import Mesh, Talk, ask, call, wait_until

GATEWAY = "gateway.networking.k8s.io/v1"


def route(name, rules, parent="echo", kind="HTTPRoute", namespace="demo", **parent_more):
    return {"apiVersion": GATEWAY, "kind": kind,
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"parentRefs": [{"group": "", "kind": "Service", "name": parent, "port": 80,
                                     **parent_more}],
                     "rules": rules}}


def backend(name, weight=1, port=80, **more):
    return {"name": name, "port": port, "weight": weight, **more}


def path(value, kind="PathPrefix"):
    return {"path": {"type": kind, "value": value}}


class Scene:
    """web; Service echo before v1 and v2, which have a Service each as well."""

    def __init__(self, mesh, app="http_echo.py", port_name="http"):
        self.mesh = mesh
        self.web = mesh.pod("web")
        self.pods = {}
        for version in ("v1", "v2"):
            pod = mesh.pod(f"echo-{version}", labels={"app": "echo", "version": version},
                           ports={port_name: 8080})
            pod.run_app(app, "8080", "--name", version)
            self.pods[version] = pod
            setattr(self, version, mesh.service(
                f"echo-{version}", {port_name: (80, 8080)},
                selector={"app": "echo", "version": version}))
        self.echo = mesh.service("echo", {port_name: (80, 8080)}, selector={"app": "echo"})

    def put(self, name, *rules, **more):
        """Attaches the rules, and waits until the proxy has them."""
        made = self.mesh.manifests.put(route(name, list(rules), **more))
        wait_until(lambda: f"/demo/{name}/" in json.dumps(self.service()), f"route {name}")
        return made

    def service(self):
        """What web's proxy knows of Service echo."""
        self.ask("/")
        services = self.web.proxy.admin("/services").json()["services"]
        return next((s for s in services if s.get("name") == "demo/echo"), {})

    def ask(self, target, *arguments, **options):
        return ask(self.web, self.echo.ipv4, 80, target, *arguments, **options)

    def version_of(self, answer):
        """Which pod it was that answered, by who has the request's id in its log."""
        assert answer.status == 200, answer
        return answer.json()["name"]

    def to(self, target, **options):
        return self.version_of(self.ask(target, **options))


@pytest.fixture
def scene():
    with Mesh() as mesh:
        yield Scene(mesh)


def test_a_path_decides_by_segment_and_the_longest_wins(scene):
    scene.put("paths",
              {"matches": [path("/two")], "backendRefs": [backend("echo-v2")]},
              {"matches": [path("/two/one", "Exact")], "backendRefs": [backend("echo-v1")]},
              {"matches": [path("/")], "backendRefs": [backend("echo-v1")]})
    for target, version in [("/", "v1"), ("/two", "v2"), ("/two/", "v2"), ("/two/x?y", "v2"),
                            ("/twofold", "v1"), ("/two/one", "v1"), ("/two/one/", "v2"),
                            ("/x/../two", "v2"), ("/%74wo", "v2")]:
        assert scene.to(target) == version, target


def test_headers_methods_and_parameters_decide(scene):
    scene.put("matches",
              {"matches": [{"headers": [{"name": "Version", "value": "two"}]}],
               "backendRefs": [backend("echo-v2")]},
              {"matches": [{"headers": [{"name": "user", "type": "RegularExpression",
                                         "value": "(ann|bob)[0-9]*"}]}],
               "backendRefs": [backend("echo-v2")]},
              {"matches": [{"method": "DELETE"}], "backendRefs": [backend("echo-v2")]},
              {"matches": [{"queryParams": [{"name": "v", "value": "2"}]}],
               "backendRefs": [backend("echo-v2")]},
              {"backendRefs": [backend("echo-v1")]})
    for options, version in [
            ({"headers": {"version": "two"}}, "v2"), ({"headers": {"version": "Two"}}, "v1"),
            ({"headers": {"user": "bob42"}}, "v2"), ({"headers": {"user": "bobby"}}, "v1"),
            ({"method": "DELETE"}, "v2"), ({"method": "GET"}, "v1")]:
        assert scene.to("/one", **options) == version, options
    assert scene.to("/?v=2") == "v2"
    assert scene.to("/?w=1&v=2") == "v2"
    assert scene.to("/?v=1&v=2") == "v1", "the first of a name counts"


def test_what_no_rule_matches_is_not_found(scene):
    scene.put("only", {"matches": [path("/only")], "backendRefs": [backend("echo-v1")]})
    answer = scene.ask("/other")
    assert answer.status == 404 and answer.headers["server"] == "outrigger"
    assert "no_route" in answer.text
    assert scene.to("/only/this") == "v1"


def test_without_the_route_the_service_is_itself_again(scene):
    made = scene.put("only", {"matches": [path("/only")], "backendRefs": [backend("echo-v1")]})
    assert scene.ask("/other").status == 404
    scene.mesh.manifests.remove(made)
    wait_until(lambda: scene.ask("/other").status == 200, "the route to be gone")


def test_weights_share_the_requests(scene):
    scene.put("canary", {"backendRefs": [backend("echo-v1", 80), backend("echo-v2", 20)]})
    with Talk(scene.web, scene.echo.ipv4, 80) as talk:
        seen = collections.Counter(scene.version_of(talk.ask("/")) for _ in range(1000))
    assert 740 < seen["v1"] < 860, seen  # five standard deviations
    scene.put("canary2", {"backendRefs": [backend("echo-v1", 0), backend("echo-v2", 7)]})
    # the older of two routes goes first, and they are as old: by name
    scene.mesh.manifests.put(route("canary", [
        {"backendRefs": [backend("echo-v1", 0), backend("echo-v2", 7)]}]))
    wait_until(lambda: all(scene.to("/") == "v2" for _ in range(20)), "all of it to go to v2")


def test_a_backend_that_is_not_there_is_500_for_its_share(scene):
    scene.put("broken", {"backendRefs": [backend("missing")]})
    answer = scene.ask("/")
    assert answer.status == 500 and "no_backend" in answer.text
    logged = scene.web.proxy.wait_for_event("request", reason="no_backend")
    assert "missing" in logged["error"] and logged["route"].startswith("HTTPRoute/demo/broken/")


def test_redirects_say_where(scene):
    scene.put("redirects",
              {"matches": [path("/old")], "filters": [
                  {"type": "RequestRedirect", "requestRedirect": {
                      "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"},
                      "statusCode": 301}}]},
              {"matches": [path("/secure")], "filters": [
                  {"type": "RequestRedirect", "requestRedirect": {
                      "scheme": "https", "hostname": "example.org"}}]})
    answer = scene.ask("/old/page?q=1", headers={"host": "echo:80"})
    assert answer.status == 301 and answer.headers["location"].endswith("/new/page?q=1"), answer
    answer = scene.ask("/secure/x")
    assert (answer.status, answer.headers["location"]) == (302, "https://example.org/secure/x")


def test_rewrites_change_what_the_application_sees(scene):
    scene.put("rewrites",
              {"matches": [path("/prefix")], "backendRefs": [backend("echo-v1")], "filters": [
                  {"type": "URLRewrite", "urlRewrite": {
                      "hostname": "inner.example",
                      "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}]},
              {"matches": [path("/whole")], "backendRefs": [backend("echo-v1")], "filters": [
                  {"type": "URLRewrite", "urlRewrite": {
                      "path": {"type": "ReplaceFullPath", "replaceFullPath": "/all"}}}]})
    seen = scene.ask("/prefix/a/b?c=d").json()
    assert seen["target"] == "/a/b?c=d"
    assert dict((k.lower(), v) for k, v in seen["fields"])["host"] == "inner.example"
    assert scene.ask("/prefix").json()["target"] == "/"
    assert scene.ask("/whole/of/it?c=d").json()["target"] == "/all?c=d"


def test_headers_are_edited_both_ways(scene):
    scene.put("headers", {
        "backendRefs": [backend("echo-v1", filters=[
            {"type": "RequestHeaderModifier", "requestHeaderModifier": {
                "add": [{"name": "x-backend", "value": "v1"}]}}])],
        "filters": [
            {"type": "RequestHeaderModifier", "requestHeaderModifier": {
                "set": [{"name": "X-Set", "value": "ours"}],
                "add": [{"name": "X-Add", "value": "more"}], "remove": ["x-secret"]}},
            {"type": "ResponseHeaderModifier", "responseHeaderModifier": {
                "set": [{"name": "x-answer", "value": "edited"}], "remove": ["content-type"]}}]})
    answer = scene.ask("/", headers={"x-set": "theirs", "x-add": "first", "x-secret": "s"})
    seen = [(name.lower(), value) for name, value in answer.json()["fields"]]
    assert ("x-set", "ours") in seen and ("x-set", "theirs") not in seen
    assert ("x-add", "first") in seen and ("x-add", "more") in seen
    assert ("x-backend", "v1") in seen
    assert not [value for name, value in seen if name == "x-secret"]
    assert answer.headers["x-answer"] == "edited" and "content-type" not in answer.headers


def test_a_request_takes_no_longer_than_its_route_allows(scene):
    scene.put("slow", {"matches": [path("/hang")], "backendRefs": [backend("echo-v1")],
                       "timeouts": {"request": "200ms"}},
              {"backendRefs": [backend("echo-v1")]})
    answer = scene.ask("/hang")
    assert answer.status == 504 and "request_timeout" in answer.text
    assert scene.ask("/slow/400").status == 200, "the other rule has none"


def test_a_status_is_tried_again_and_the_client_sees_none_of_it(scene):
    made = scene.put("retries", {"backendRefs": [backend("echo-v1")], "matches": [path("/")],
                                 "retry": {"attempts": 2, "codes": [503], "backoff": "1ms"}})
    assert scene.ask("/status/503").status == 503
    logged = scene.web.proxy.wait_for_event("request", path="/status/503")
    assert logged["retries"] == 2 and logged["reason"] == ""
    asked = scene.pods["v1"].apps[0].log().count("/status/503")
    assert asked == 3
    assert scene.ask("/status/500").status == 500
    assert scene.pods["v1"].apps[0].log().count("/status/500") == 1, "500 was not among the codes"
    assert made


def test_a_body_is_sent_again_with_every_attempt(scene):
    scene.put("retries", {"backendRefs": [backend("echo-v1")],
                          "retry": {"attempts": 1, "codes": [503], "backoff": "1ms"}})
    assert scene.ask("/status/503", method="POST", body=b"x" * 1000).status == 503
    assert scene.pods["v1"].apps[0].log().count("/status/503") == 2
    assert scene.ask("/status/503", method="POST", body=b"x" * 1000000).status == 503
    assert scene.web.proxy.metric("outrigger_retries_no_replay_total") == 1


def test_a_budget_stops_a_storm(scene):
    """Everything fails: with three attempts asked for, far less than that many are made."""
    scene.put("retries", {"backendRefs": [backend("echo-v1")],
                          "retry": {"attempts": 3, "codes": [503], "backoff": "1ms"}})
    with Talk(scene.web, scene.echo.ipv4, 80) as talk:
        for _ in range(500):
            assert talk.ask("/status/503").status == 503
    made = scene.web.proxy.metric("outrigger_route_retries_total")
    assert 100 <= made <= 500 * 0.2 + 10 * 10, "20 % of the requests, and ten a second for ten seconds"
    assert scene.web.proxy.metric("outrigger_retries_over_budget_total") > 0


def test_browsers_of_other_origins_are_told_what_they_may(scene):
    scene.put("cors", {"backendRefs": [backend("echo-v1")], "filters": [
        {"type": "CORS", "cors": {"allowOrigins": ["https://shop.example", "https://*.shop.example"],
                                  "allowMethods": ["GET", "PUT"], "allowHeaders": ["x-token"],
                                  "exposeHeaders": ["x-total"], "allowCredentials": True,
                                  "maxAge": 600}}]})
    preflight = {"origin": "https://a.shop.example", "access-control-request-method": "PUT"}
    answer = scene.ask("/", method="OPTIONS", headers=preflight)
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "https://a.shop.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "PUT" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-max-age"] == "600"
    plain = scene.ask("/", headers={"origin": "https://shop.example"})
    assert plain.status == 200
    assert plain.headers["access-control-allow-origin"] == "https://shop.example"
    assert plain.headers["access-control-expose-headers"] == "x-total"
    other = scene.ask("/", method="OPTIONS", headers={**preflight, "origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def mirrored(*names, **more):
    return {"backendRefs": [backend("echo-v1")], "filters": [
        {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": name, "port": 80}, **more}}
        for name in names]}


def asked(pod, what):
    return pod.apps[0].log().count(what)


def test_copies_go_elsewhere_and_nobody_waits_for_them(scene):
    scene.put("mirror", mirrored("echo-v2"))
    for i in range(10):
        assert scene.to(f"/copied/{i}") == "v1"
        assert scene.to(f"/posted/{i}", method="POST", body=b"x" * 30000) == "v1"
    wait_until(lambda: asked(scene.pods["v2"], "/copied/") == asked(scene.pods["v2"], "/posted/") == 10,
               "the copies")
    assert scene.ask("/drop/", method="POST", body=b"x").status != 200
    assert scene.to("/slow/1500") == "v1"
    wait_until(lambda: scene.web.proxy.metric("outrigger_mirrored_requests_total") >= 20, "answers")
    scene.pods["v2"].apps[0].kill()
    scene.pods["v2"].proxy.kill()
    assert scene.to("/still") == "v1", "a receiver that is gone is not the client's business"
    wait_until(lambda: scene.web.proxy.metric("outrigger_mirrored_requests_failed_total") >= 1,
               "the failure to be counted")


def test_some_of_the_requests_are_copied(scene):
    scene.put("mirror", mirrored("echo-v2", percent=20))
    with Talk(scene.web, scene.echo.ipv4, 80) as talk:
        for i in range(500):
            assert talk.ask(f"/some/{i}").status == 200
    proxy = scene.web.proxy
    # Those of the requests by which put() found out that the route holds were copied as well.
    wait_until(lambda: proxy.metric("outrigger_mirrored_requests_total") >= asked(
        scene.pods["v2"], "/some/") > 0, "the copies to be answered")
    assert 55 <= asked(scene.pods["v2"], "/some/") <= 150, "a fifth, give or take five deviations"


def test_two_receivers_get_a_copy_each(scene):
    scene.put("mirror", mirrored("echo-v1", "echo-v2"))
    assert scene.to("/both") == "v1"
    wait_until(lambda: asked(scene.pods["v1"], "/both") == 2 and asked(scene.pods["v2"], "/both") == 1,
               "the copies")


def test_a_copy_that_does_not_move_holds_up_nothing(scene):
    """Its receiver reads no body: the request's is sent on all the same, and the copy is given up."""
    scene.put("mirror", {**mirrored("echo-v2"), "matches": [path("/bytes")]},
              {"backendRefs": [backend("echo-v1")]})
    scene.pods["v2"].apps[0].signal(signal.SIGSTOP)
    answer = scene.ask("/bytes/10", method="POST", body=b"x" * (8 << 20))
    assert answer.status == 200 and len(answer.body) == 10
    wait_until(lambda: scene.web.proxy.metric("outrigger_mirrored_requests_failed_total") == 1,
               "the copy to be given up")
    scene.pods["v2"].apps[0].signal(signal.SIGCONT)


def test_another_namespace_needs_a_grant(scene):
    scene.mesh.namespace("other")
    pod = scene.mesh.pod("far", namespace="other", labels={"app": "far"}, ports={"http": 8080})
    pod.run_app("http_echo.py", "8080", "--name", "far")
    scene.mesh.service("far", {"http": (80, 8080)}, namespace="other", selector={"app": "far"})
    scene.put("across", {"backendRefs": [backend("far", namespace="other")]})
    assert scene.ask("/").status == 500
    grant = scene.mesh.manifests.put({
        "apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "ReferenceGrant",
        "metadata": {"namespace": "other", "name": "from-demo"},
        "spec": {"from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute",
                           "namespace": "demo"}],
                 "to": [{"group": "", "kind": "Service"}]}})
    wait_until(lambda: scene.ask("/").status == 200, "the grant to hold")
    assert scene.to("/") == "far"
    scene.mesh.manifests.remove(grant)
    wait_until(lambda: scene.ask("/").status == 500, "the grant to be gone")


def test_connections_follow_a_tcp_route():
    with Mesh() as mesh:
        scene = Scene(mesh, app="echo.py", port_name="tcp")
        wait_until(lambda: {call(scene.web, scene.echo.ipv4, 80) for _ in range(20)} == {"v1", "v2"},
                   "the Service to be known")
        made = route("to-two", [{"backendRefs": [backend("echo-v2", weight=3)]}], kind="TCPRoute")
        made["apiVersion"] = "gateway.networking.k8s.io/v1alpha2"
        kept = mesh.manifests.put(made)
        wait_until(lambda: {call(scene.web, scene.echo.ipv4, 80) for _ in range(20)} == {"v2"},
                   "the route to hold")
        mesh.manifests.remove(kept)
        wait_until(lambda: {call(scene.web, scene.echo.ipv4, 80) for _ in range(20)} == {"v1", "v2"},
                   "the route to be gone")

"""The Service Mesh Interface: who may ask what by TrafficTarget, who gets it by TrafficSplit; the
scenarios of its conformance suite, with the versions in which its specification changed."""
import collections
import json

import pytest

from mesh import Mesh, ask, call, wait_until


def smi(group, version, kind, name, namespace="demo", **body):
    return {"apiVersion": f"{group}.smi-spec.io/{version}", "kind": kind,
            "metadata": {"namespace": namespace, "name": name}, **body}


def group(*matches, version="v1alpha4", name="routes"):
    old = version in ("v1alpha1", "v1alpha2")
    body = {"matches": list(matches)}
    return smi("specs", version, "HTTPRouteGroup", name, **(body if old else {"spec": body}))


def tcp_route(*ports, name="tcp"):
    return smi("specs", "v1alpha4", "TCPRoute", name, spec={"matches": {"ports": list(ports)}})


def target(*rules, source="web", port=None, version="v1alpha3", name="in"):
    destination = {"kind": "ServiceAccount", "name": "echo", "namespace": "demo"}
    if port:
        destination["port"] = port
    body = {"destination": destination,
            "sources": [{"kind": "ServiceAccount", "name": source, "namespace": "demo"}]}
    if version == "v1alpha1":
        return smi("access", version, "TrafficTarget", name, specs=list(rules), **body)
    return smi("access", version, "TrafficTarget", name, spec={"rules": list(rules), **body})


def split(*backends, matches=(), version="v1alpha4", name="split"):
    spec = {"service": "echo", "backends": [{"service": s, "weight": w} for s, w in backends]}
    if matches:
        spec["matches"] = [{"kind": "HTTPRouteGroup", "name": m} for m in matches]
    return smi("split", version, "TrafficSplit", name, spec=spec)


ROUTES = {"kind": "HTTPRouteGroup", "name": "routes"}
API = {"name": "api", "pathRegex": "/api", "methods": ["GET"]}
METRICS = {"name": "metrics", "pathRegex": "/metrics", "methods": ["*"]}


class Scene:
    """web and other call echo, whose two pods have a Service each beside the common one."""

    def __init__(self, mesh):
        self.mesh = mesh
        self.web = mesh.pod("web")
        self.other = mesh.pod("other")
        self.pods = []
        for version in ("v1", "v2"):
            pod = mesh.pod(f"echo-{version}", account="echo",
                           labels={"app": "echo", "version": version}, ports={"http": 8080})
            pod.run_app("http_echo.py", "8080", "--name", version)
            self.pods.append(pod)
            mesh.service(f"echo-{version}", {"http": (80, 8080)},
                         selector={"app": "echo", "version": version})
        self.echo = mesh.service("echo", {"http": (80, 8080)}, selector={"app": "echo"})

    def ask(self, path, pod=None, **options):
        return ask(pod or self.web, self.echo.ipv4, 80, path, **options)

    def put_access(self, *objects, rules=1):
        """Waits until both pods have what the manifests say."""
        for made in objects:
            self.mesh.manifests.put(made)
        wanted = {"TrafficTarget/demo/in": rules}
        wait_until(lambda: all(
            {p["name"]: len(p["rules"]) for p in self.policies(pod)
             if p["name"] in wanted} == wanted for pod in self.pods), "the targets at both pods")

    def policies(self, pod):
        return pod.proxy.admin("/policies").json()["access"]["policies"]

    def put_split(self, *objects):
        for made in objects:
            self.mesh.manifests.put(made)
        wait_until(lambda: "TrafficSplit/demo/split/" in json.dumps(self.service()), "the split")

    def service(self):
        self.ask("/")
        services = self.web.proxy.admin("/services").json()["services"]
        return next((s for s in services if s.get("name") == "demo/echo"), {})

    def versions(self, n=100, **options):
        answers = [self.ask("/", **options) for _ in range(n)]
        return collections.Counter(a.json()["name"] for a in answers)


@pytest.fixture
def scene():
    with Mesh() as mesh:
        yield Scene(mesh)


@pytest.mark.parametrize("version", ["v1alpha1", "v1alpha2", "v1alpha3"])
def test_a_target_lets_in_whom_and_what_it_says(scene, version):
    specs = {"v1alpha1": "v1alpha2", "v1alpha2": "v1alpha3", "v1alpha3": "v1alpha4"}[version]
    scene.put_access(group(API, METRICS, version=specs), target(ROUTES, version=version))
    assert scene.ask("/api").status == 200
    assert scene.ask("/api/below").status == 200, "the expression is anchored at its beginning only"
    assert scene.ask("/metrics", method="POST").status == 200
    assert scene.ask("/other").status == 403
    assert scene.ask("/api", method="POST").status == 403
    refused = scene.ask("/api", pod=scene.other)
    assert refused.status == 403
    assert "TrafficTarget" not in refused.text, "a policy is told to the operator alone"


def test_a_target_of_one_match_and_one_port(scene):
    scene.put_access(group(API, METRICS), target({**ROUTES, "matches": ["metrics"]}, port=8080))
    page = (f"/explain?direction=inbound&destination={scene.pods[0].ipv4}:8080&method=GET&path=/metrics"
            "&identity=spiffe://cluster.local/ns/demo/sa/")
    told = scene.pods[0].proxy.admin(page + "web").text
    assert "allowed by" in told and ": TrafficTarget/demo/in" in told, told
    assert "policy_denied" in scene.pods[0].proxy.admin(page + "other").text
    assert scene.ask("/metrics").status == 200
    assert scene.ask("/api").status == 403
    scene.put_access(target({**ROUTES, "matches": ["metrics"]}, port=9090))
    wait_until(lambda: scene.ask("/metrics").status == 403, "the port is another")


@pytest.mark.parametrize("version, headers", [("v1alpha3", [{"x-user": "a.*"}]),
                                              ("v1alpha4", {"X-User": "a.*"})])
def test_headers_of_a_group_bear_on_access_in_both_forms(scene, version, headers):
    scene.put_access(group({"name": "users", "headers": headers}, version=version), target(ROUTES))
    assert scene.ask("/", headers={"x-user": "ann"}).status == 200
    assert scene.ask("/", headers={"x-user": "bob"}).status == 403
    assert scene.ask("/").status == 403


def test_a_tcp_route_lets_connections_in(scene):
    scene.put_access(tcp_route(8080), target({"kind": "TCPRoute", "name": "tcp"}))
    assert scene.ask("/whatever", method="POST").status == 200
    assert scene.ask("/", pod=scene.other).status == 403
    scene.mesh.manifests.put(tcp_route(9090))
    wait_until(lambda: scene.ask("/").status == 403, "the port is another")


def test_a_target_whose_group_is_missing_refuses_and_says_so(scene):
    scene.put_access(target(ROUTES), rules=0)
    assert scene.ask("/api").status == 403
    problems = scene.mesh.controller.admin("/objects").json()["problems"]
    assert any("spec.rules[0]: there is no HTTPRouteGroup demo/routes" in p for p in problems)
    scene.put_access(group(API))
    assert scene.ask("/api").status == 200
    assert not scene.mesh.controller.admin("/objects").json()["problems"]


@pytest.mark.parametrize("version", ["v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"])
def test_a_split_by_weight(scene, version):
    weights = ("900m", "100m") if version == "v1alpha1" else (90, 10)
    scene.put_split(split(("echo-v1", weights[0]), ("echo-v2", weights[1]), version=version))
    counts = scene.versions(300)
    assert 5 <= counts["v2"] <= 60, counts
    scene.put_split(split(("echo-v2", 1), version=version))
    wait_until(lambda: scene.versions(5) == {"v2": 5}, "all of it to v2")


@pytest.mark.parametrize("version, headers", [("v1alpha3", [{"user-agent": ".*Firefox.*"}]),
                                              ("v1alpha4", {"user-agent": ".*Firefox.*"})])
def test_a_split_of_those_with_a_header(scene, version, headers):
    scene.put_split(group({"name": "firefox", "headers": headers}, version=version, name="ab"),
                    split(("echo-v1", 0), ("echo-v2", 100), matches=["ab"], version=version))
    assert scene.versions(20, headers={"user-agent": "Mozilla Firefox/1"}) == {"v2": 20}
    others = scene.versions(60, headers={"user-agent": "curl"})
    assert set(others) == {"v1", "v2"}, "the rest goes to the root Service"


def test_a_backend_without_the_port_is_left_out_and_told(scene):
    scene.mesh.service("echo-far", {"http": (81, 8080)}, selector={"app": "echo", "version": "v1"})
    scene.put_split(split(("echo-far", 90), ("echo-v2", 10)))
    assert scene.versions(20) == {"v2": 20}
    problems = scene.mesh.controller.admin("/objects").json()["problems"]
    assert any("Service demo/echo-far has no port 80" in p for p in problems), problems


def test_explain_names_the_split(scene):
    scene.put_split(split(("echo-v2", 1)))
    told = scene.web.proxy.admin(
        f"/explain?direction=outbound&destination={scene.echo.ipv4}:80&method=GET&path=/").text
    assert "TrafficSplit/demo/split/0" in told


def test_connections_are_split_as_well(scene):
    for letter in "ab":
        pod = scene.mesh.pod(f"tcp-{letter}", labels={"tcp": letter}, ports={"tcp": 7000})
        pod.run_app("echo.py", "7000", "--name", letter)
        scene.mesh.service(f"tcp-{letter}", {"tcp": (7000, 7000)}, selector={"tcp": letter})
    root = scene.mesh.service("tcp", {"tcp": (7000, 7000)}, selector={"tcp": "a"})
    wait_until(lambda: call(scene.web, root.ipv4, 7000) == "a", "connections go to a")
    scene.mesh.manifests.put(smi("split", "v1alpha4", "TrafficSplit", "t",
                                 spec={"service": "tcp",
                                       "backends": [{"service": "tcp-b", "weight": 1}]}))
    wait_until(lambda: call(scene.web, root.ipv4, 7000) == "b", "connections go to b")

"""The scenarios of the Gateway API's conformance tests for meshes, GRPCRoute."""
import collections
import json

import pytest

from mesh import Mesh, wait_until
from mesh.programs import app
from mesh.routes import route, to

PYTHON = "/usr/bin/python3"


class Scene:
    def __init__(self, mesh):
        self.mesh = mesh
        self.web = mesh.pod("web")
        for version in ("v1", "v2"):
            pod = mesh.pod(f"echo-{version}", labels={"app": "echo", "version": version},
                           ports={"grpc": 8080})
            pod.run_app("grpc_server.py", "8080", "--name", version)
            mesh.service(f"echo-{version}", {"grpc": (80, 8080)},
                         selector={"app": "echo", "version": version})
        self.echo = mesh.service("echo", {"grpc": (80, 8080)}, selector={"app": "echo"})

    def put(self, name, *rules, **more):
        kind = more.setdefault("kind", "GRPCRoute")
        kept = self.mesh.manifests.put(route(name, rules, **more))

        def holds():
            self.call("/some.Service/Method")
            return f"{kind}/demo/{name}/" in json.dumps(self.web.proxy.admin("/services").json())
        wait_until(holds, f"{kind} {name}")
        return kept

    def call(self, *methods, **metadata):
        """The status of each call, and who answered; or the message that came in its place."""
        words = [word for name, value in metadata.items() for word in ("--metadata", f"{name}={value}")]
        done = self.web.net.run(PYTHON, app("grpc_client.py"), *words, "--", f"{self.echo.ipv4}:80", *methods)
        return [line.split(" ", 2)[:2] for line in done.stdout.splitlines()]


@pytest.fixture(name="scene")
def own_scene():
    with Mesh() as mesh:
        yield Scene(mesh)


def method(service=None, name=None, **more):
    return {"method": {**({"service": service} if service else {}),
                       **({"method": name} if name else {}), **more}}


def test_methods_and_headers_decide(scene):
    scene.put("methods",
              {"matches": [method("a.Greeter", "Hello")], "backendRefs": [to("echo-v1")]},
              {"matches": [method("a.Greeter")], "backendRefs": [to("echo-v2")]},
              {"matches": [method(name="Anywhere")], "backendRefs": [to("echo-v2")]},
              {"matches": [method("b[.].*", "G.t", type="RegularExpression")],
               "backendRefs": [to("echo-v1")]},
              {"matches": [{"headers": [{"name": "version", "value": "two"}]}],
               "backendRefs": [to("echo-v2")]})
    statuses = scene.call("/a.Greeter/Hello", "/a.Greeter/Bye", "/c.D/Anywhere", "/b.Any/Get", "/c.D/E")
    assert statuses[:4] == [["OK", "v1"], ["OK", "v2"], ["OK", "v2"], ["OK", "v1"]]
    assert statuses[4][0] == "UNIMPLEMENTED"
    assert scene.call("/c.D/E", version="two") == [["OK", "v2"]]


def test_weights(scene):
    """MeshGRPCRouteWeight."""
    scene.put("weights", {"backendRefs": [to("echo-v1", 70), to("echo-v2", 30)]})
    seen = collections.Counter(name for _, name in scene.call(*["/a.B/C"] * 500))
    assert 299 < seen["v1"] < 401, seen  # five standard deviations


def test_it_goes_before_an_http_route(scene):
    scene.put("plain", {"backendRefs": [to("echo-v1")]}, kind="HTTPRoute")
    assert {name for _, name in scene.call(*["/a.B/C"] * 20)} == {"v1"}
    kept = scene.put("grpc", {"backendRefs": [to("echo-v2")]})
    assert {name for _, name in scene.call(*["/a.B/C"] * 20)} == {"v2"}
    scene.mesh.manifests.remove(kept)
    wait_until(lambda: {name for _, name in scene.call("/a.B/C")} == {"v1"}, "the HTTPRoute to decide")

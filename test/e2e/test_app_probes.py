"""The kubelet's probes under strict mTLS: it asks the proxy, and the proxy asks the application."""
import subprocess
import time

import pytest

from mesh import Mesh, http, is_refused, wait_until
from mesh import own_cert
from mesh.programs import program
from mesh.proxy import ADMIN_PORT

PROBES = ["app/http=http,8080,2s,/healthz?full=1", "app/moved=http,8080,2s,/moved",
          "app/early=http,8080,2s,/early", "app/large=http,8080,2s,/large",
          "app/https=https,8443,2s,/tls", "app/tcp=tcp,8080,2s,", "app/grpc=grpc,9000,2s,",
          "app/shop=grpc,9000,2s,shop", "app/other=grpc,9000,2s,other", "app/closed=tcp,1,2s,",
          "app/http-closed=http,1,2s,/", "app/grpc-closed=grpc,1,2s,",
          "app/slow=http,8080,300ms,/slow", "app/silent=http,7000,300ms,/",
          "app/silent-tls=https,7000,300ms,/", "app/silent-grpc=grpc,7000,300ms,",
          "app/no-http=http,9000,2s,/", "app/no-tls=https,8080,2s,/"]


class Scene:
    def __init__(self, mesh, folder):
        self.health = folder / "health"
        self.health.write_text("well")
        own_cert.make(folder, "whoever")
        own_cert.open_way(folder)
        mesh.namespace("demo", {"outrigger.dev/mtls-mode": "strict"})
        self.pod = mesh.pod("api", ports={"http": 8080}, proxy=False, in_mesh=True)
        self.kubelet = mesh.node("kubelet")
        self.pod.redirect()
        self.app = self.pod.run_app("probed.py", str(self.health), str(folder / "cert.pem"),
                                    str(folder / "key.pem"))
        self.proxy = self.pod.start_proxy(app_probe=PROBES, app_probe_address=self.pod.ipv4)

    def ask(self, name, headers=None, timeout=5.0):
        return http.request(self.kubelet.net, self.pod.ipv4, ADMIN_PORT, f"/app-probe/{name}",
                            headers=headers, timeout=timeout)


@pytest.fixture(name="scene", scope="module")
def _scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probed")
    with Mesh() as mesh:
        yield Scene(mesh, folder)


def test_the_kubelet_itself_is_refused(scene):
    wait_until(lambda: is_refused(scene.kubelet, scene.pod.ipv4, 8080, b"GET / HTTP/1.1\r\n\r\n"),
               "strict to hold")
    # And a TCP probe would be pleased with the proxy's door.
    scene.kubelet.connect(scene.pod.ipv4, 1).close()


@pytest.mark.parametrize("name", ["http", "moved", "early", "large", "https", "tcp", "grpc", "shop"])
def test_who_is_well_is_found_well(scene, name):
    answer = scene.ask(f"app/{name}")
    assert answer.status == 200 and "secret" not in answer.text


@pytest.mark.parametrize("name,told", [
    ("other", "gRPC status 5"), ("closed", "refused"), ("http-closed", "refused"),
    ("grpc-closed", "gRPC status 14"), ("slow", "within 300ms"), ("silent", "within 300ms"),
    ("silent-tls", "within 300ms"), ("silent-grpc", "within 300ms"), ("no-http", "HTTP/1.1"),
    ("no-tls", "TLS"),
])
def test_who_does_not_answer_is_told_of(scene, name, told):
    start = time.monotonic()
    answer = scene.ask(f"app/{name}")
    assert answer.status == 503 and told in answer.text and len(answer.text.splitlines()) == 1
    assert time.monotonic() - start < 4


def test_who_is_ill_is_found_ill(scene):
    scene.health.write_text("ill")
    try:
        for name in ("http", "https", "grpc", "shop"):
            assert scene.ask(f"app/{name}").status == 503, name
        assert scene.ask("app/tcp").status == 200
        assert scene.ask("app/http").text == "the application answered 503\n"
    finally:
        scene.health.write_text("well")


def test_what_the_application_is_asked(scene):
    assert scene.ask("app/http", {"X-Probe": "a b", "outrigger-peer": "x"}).status == 200
    scene.app.wait_for_log(f"asked /healthz?full=1 {scene.pod.ipv4}:8080 a b")
    assert scene.ask("app/https", {"Host": "api.example"}).status == 200
    scene.app.wait_for_log("asked /tls api.example None")


def test_nothing_else_can_be_asked(scene):
    assert "app/http\napp/moved\n" in scene.ask("").text
    for name in ("app", "app/", "app/none", "app/http/", "app/http?x=1&y", "../livez"):
        answer = scene.ask(name)
        assert answer.status == (200 if "?" in name else 404), name  # a query is not passed on
    assert "/healthz?full=1 " in open(scene.app.log_path, encoding="utf-8").read()
    assert scene.ask("app/http").status == 200


def test_who_goes_away_and_who_asks_too_much(scene):
    """A kubelet that does not wait, and many of them: all is given back."""
    before = scene.proxy.descriptors()
    for _ in range(5):
        socks = [scene.kubelet.connect(scene.pod.ipv4, ADMIN_PORT) for _ in range(30)]
        for sock in socks:
            sock.sendall(b"GET /app-probe/app/silent HTTP/1.1\r\nHost: x\r\n\r\n")
        for sock in socks:
            sock.close()
    wait_until(lambda: scene.ask("app/http").status == 200, "the probe to be answered")
    wait_until(lambda: scene.proxy.descriptors() <= before, "descriptors to be given back")


def test_probes_are_told_in_the_options(scene):
    assert scene.proxy.admin("/config").json()["options"]["app-probe"] == PROBES


def test_await_ready_and_pause(scene):
    def seconds(*words):
        start = time.monotonic()
        with scene.pod.net.entered():
            done = subprocess.run([program("outrigger-proxy"), *words], capture_output=True,
                                  text=True, timeout=20, check=False)
        return done.returncode, time.monotonic() - start

    assert seconds("await-ready", str(ADMIN_PORT), "5s")[0] == 0
    code, took = seconds("await-ready", "1", "300ms")
    assert code == 1 and took >= 0.3
    code, took = seconds("pause", "200ms")
    assert code == 0 and took >= 0.2

"""Hostile HTTP/2 servers, behind a proxy and without one: who asked is told, nobody else notices."""
import pytest

from h2_peer import Peer
from mesh import IS_SANITIZED, Mesh, wait_until
from test_http2_hostile import MIB, PATIENCE, Neighbour

MOST_BYTES = 8 * MIB  # that a proxy may grow by


class Scene:
    """web -> api, whose application is hostile; stray, the same without a proxy; and a good one."""

    def __init__(self, mesh):
        self.services = {}
        for name, app, proxy in (("api", "h2_hostile.py", True), ("stray", "h2_hostile.py", False),
                                 ("good", "h2_app.py", True)):
            self.services[name] = mesh.service(name, {"h2c": (80, 8080)})
            pod = mesh.pod(f"{name}-1", ports={"h2c": 8080}, proxy=proxy)
            pod.run_app(app, "8080")
            if name == "api":
                self.api = pod
        self.web = mesh.pod("web")
        self.proxies = self.web.proxy, self.api.proxy

    def connect(self, name):
        return Peer(self.web.connect(*self.services[name].vip))


@pytest.fixture(scope="module", name="scene")
def made_scene():
    with Mesh() as mesh:
        yield Scene(mesh)


TOLD = "pings", "settings", "unknown", "windows", "hints", "continuations", "bomb", "push", "overflow", "garbage"
CUT = "empty", "padding", "goaways"  # its head, or its promise to go on with it, came before


@pytest.mark.parametrize("name", ["api", "stray"])
@pytest.mark.parametrize("what", TOLD + CUT)
def test_what_a_server_does(scene, name, what):
    neighbour = Neighbour(scene.connect("good"), scene.proxies)
    peer = scene.connect(name)
    neighbour.start()
    try:
        stream = peer.open(path=f"/{what}")
        peer.wait(lambda: stream in peer.ended or stream in peer.resets, "what becomes of it")
        assert peer.statuses.get(stream) == 502 if what in TOLD else stream in peer.resets or \
            peer.statuses.get(stream) == 502
        # It is the server that is sent away, not who asked it; and another connection is opened.
        wait_until(lambda: peer.ask(path="/good") == 200, "a good answer")
        assert not peer.goaways
    finally:
        peer.close()
        neighbour.finish()
    for proxy in scene.proxies:
        wait_until(lambda: proxy.metric("outrigger_requests_open") == 0, "all requests to end")
    if not IS_SANITIZED:
        assert neighbour.grown_bytes < MOST_BYTES and neighbour.slowest < PATIENCE

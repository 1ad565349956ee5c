"""What HTTP/1.1 and HTTP/2 forbid is refused, and what is let through two readers cannot see differently.

The rows are in http_rows.py. Each is sent three ways: to the inbound listener (permissive, in plaintext, from
outside), to the outbound one towards a pod of the mesh, and towards one that is not. Behind each listens a recorder
that believes nothing: it must see exactly the requests that were accepted, each as one clear message.
"""
import pytest

from http_rows import ROWS, get
from mesh import Mesh, wait_until
from mesh.http_recorder import HttpRecorder
from mesh.raw_http import answers, ask

AFTER = get("/after", b"Connection: close")
WAYS = "inbound", "outbound", "stray"


class Scene:
    def __init__(self, mesh):
        self.web, self.outside = mesh.pod("web"), mesh.node("outside")
        self.recorders, self.services = {}, {}
        for name, proxy in (("api", True), ("stray", False)):
            self.services[name] = mesh.service(name, {"http": (80, 8080)})
            pod = mesh.pod(f"{name}-1", ports={"http": 8080}, proxy=proxy)
            self.recorders[name] = HttpRecorder(pod, 8080)
            mesh.on_close(self.recorders[name].close)
            if proxy:
                self.api = pod

    def connect(self, way):
        if way == "inbound":
            return self.outside.connect(self.api.ipv4, 8080)
        return self.web.connect(*self.services["api" if way == "outbound" else "stray"].vip)

    def recorder(self, way):
        return self.recorders["stray" if way == "stray" else "api"]


@pytest.fixture(scope="module", name="scene")
def made_scene():
    with Mesh() as mesh:
        yield Scene(mesh)


def outcomes(row):
    """[(what the application may see, the statuses of the answers)] of the row with AFTER behind it."""
    for expected in row.expected if isinstance(row.expected, tuple) else (row.expected,):
        parts = expected if isinstance(expected, list) else [expected]
        seen = [part for part in parts if isinstance(part, str)]
        statuses = [part if isinstance(part, int) else 200 for part in parts]
        goes_on = len(seen) == len(parts) or row.closes is None
        if not (goes_on and row.closes is False):
            yield seen, statuses
        if goes_on and row.closes is not True:
            yield seen + ["GET /after 0"], statuses + [200]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_http1(scene, row, way):
    recorder = scene.recorder(way)
    with scene.connect(way) as client:
        data = ask(client, row.data + AFTER)
    seen = recorder.take()
    statuses = [answer.status for answer in answers(data, [request.method for request in seen])]
    assert ([str(request) for request in seen], statuses) in list(outcomes(row)), row.rfc
    if row.expected == [str(request) for request in seen[:1]]:
        for name in row.lacks:
            assert seen[0].get(name) is None, name
        for name, value in row.has:
            assert seen[0].all(name) == [value]


def test_nothing_else_came_through(scene):
    """The last, and so about all of them: nothing was late, nothing could be read in two ways."""
    for proxy in (scene.web.proxy, scene.api.proxy):
        wait_until(lambda: proxy.metric("outrigger_requests_open") == 0, "all requests to end")
    for recorder in scene.recorders.values():
        assert recorder.take() == [] and recorder.problems == []

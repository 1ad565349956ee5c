"""Nobody's server finds more requests, fewer or other ones in what a proxy writes than the proxy let through.

Each row of http_rows.py, refused ones as well, goes through the inbound listener, from outside, and through both proxies, to a
server that sends on what it read; a recorder behind it tells what that was. A server may refuse what a
proxy lets through (nginx has no TRACE); it may not read it otherwise.
"""
import pytest

from http_rows import ROWS
from mesh import Mesh, wait_until
from mesh.fronts import BEHIND, FRONT, FRONTS
from mesh.http_recorder import HttpRecorder
from mesh.raw_http import answers, ask
from test_http_strictness import AFTER, outcomes

WAYS = "inbound", "outbound"

# What a server does of its own accord with the target of a request that it reads as sent.
OWN_WAYS = {
    ("go", "asterisk-form"): ([], [200]),              # OPTIONS * is answered by net/http itself
    ("python", "target //"): (["GET / 0"], [200]),     # http.server makes one slash of many at the front
}
# The rows that a server refuses and a proxy lets through: nothing else may be missing.
REFUSES = {
    "nginx": {"HTTP/1.0 without Host", "asterisk-form", "method b'TRACE'", "method b'get'"},
    "haproxy": {"many fields"},
    "python": {"many fields"},
    "go": set(),
}


class Scene:
    def __init__(self, mesh, reader):
        self.reader = reader
        self.web, self.outside = mesh.pod("web"), mesh.node("outside")
        self.service = mesh.service("api", {"http": (80, FRONT)})
        self.api = mesh.pod("api-1", ports={"http": FRONT})
        self.recorder = HttpRecorder(self.api, BEHIND)
        mesh.on_close(self.recorder.close)
        FRONTS[reader](mesh, self.api)
        for way in WAYS:
            wait_until(lambda: answers(self.send(way, AFTER))[0].status == 200, f"{reader} to answer {way}")
        self.recorder.take()
        self.refused = set()  # rows that the server refused and the proxy had let through

    def send(self, way, data):
        with self.web.connect(*self.service.vip) if way == "outbound" else \
                self.outside.connect(self.api.ipv4, FRONT) as client:
            return ask(client, data)


@pytest.fixture(scope="module", name="scene", params=FRONTS)
def made_scene(request):
    with Mesh() as mesh:
        yield Scene(mesh, request.param)


def agrees(outcome, statuses, seen):
    """Did the server read what the proxy let through, but for what it refused itself?"""
    wanted, wanted_statuses = outcome
    if len(statuses) != len(wanted_statuses):
        return False
    left, read = iter(wanted), []
    for status, expected in zip(statuses, wanted_statuses):
        request = next(left) if expected == 200 else None
        if status == 200 and request:
            read.append(request)
        elif status < 400 or (request is None and status != expected):
            return False
    return read == seen


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_reads_what_was_let_through(scene, row, way):
    data = scene.send(way, row.data + AFTER)
    seen = scene.recorder.take()
    statuses = [answer.status for answer in answers(data, [row.data.split(b" ")[0].decode("latin-1")])]
    lines = [str(request) for request in seen]
    if own := OWN_WAYS.get((scene.reader, row.name)):
        assert (lines, statuses) == (own[0] + ["GET /after 0"], own[1] + [200])
        return
    assert any(agrees(outcome, statuses, lines) for outcome in outcomes(row)), (row.rfc, statuses, lines)
    if isinstance(row.expected, list) and statuses[0] != 200:
        scene.refused.add(row.name)


def test_nothing_else_came_through(scene):
    for proxy in (scene.web.proxy, scene.api.proxy):
        wait_until(lambda: proxy.metric("outrigger_requests_open") == 0, "all requests to end")
    assert scene.recorder.take() == [] and scene.recorder.problems == []
    assert scene.refused <= REFUSES[scene.reader]

"""What HTTP/1.1 and HTTP/2 forbid is refused, and what is let through two readers cannot see differently.

The rows are in http_rows.py, h2_rows.py and answer_rows.py. Each is sent three ways: to the inbound listener (permissive, in plaintext, from
outside), to the outbound one towards a pod of the mesh, and towards one that is not. Behind each listens a recorder
that believes nothing: it must see exactly the requests that were accepted, each as one clear message.
"""
import pytest

import answer_rows
import h2_rows
from h2_peer import Peer
from http_rows import ROWS, get
from mesh import Mesh, wait_until
from mesh.h2_recorder import H2Recorder
from mesh.http_recorder import HttpRecorder
from mesh.raw_http import answers, ask

AFTER = get("/after", b"Connection: close")
ANSWERS = {f"/row/{number}": row.data for number, row in enumerate(answer_rows.ROWS)}
WAYS = "inbound", "outbound", "stray"


class Scene:
    """Pods api and stray, HTTP/1.1 at their port 8080 and HTTP/2 at 8082."""

    def __init__(self, mesh):
        self.web, self.outside = mesh.pod("web"), mesh.node("outside")
        self.recorders, self.services = {}, {}
        for name, proxy in (("api", True), ("stray", False)):
            self.services[name] = mesh.service(name, {"http": (8080, 8080), "h2c": (8082, 8082)})
            pod = mesh.pod(f"{name}-1", ports={"http": 8080, "h2c": 8082}, proxy=proxy)
            for port, recorder in ((8080, HttpRecorder(pod, 8080, ANSWERS)), (8082, H2Recorder(pod, 8082))):
                self.recorders[name, port] = recorder
                mesh.on_close(recorder.close)
            if proxy:
                self.api = pod
        for way in WAYS:
            wait_until(lambda: self._answers(way), f"{way} to answer")
        for recorder in self.recorders.values():
            recorder.take()

    def _answers(self, way):
        with self.connect(way, 8080) as client:
            return answers(ask(client, AFTER))[0].status == 200 and Peer(self.connect(way, 8082)).ask(path="/") == 200

    def connect(self, way, port):
        if way == "inbound":
            return self.outside.connect(self.api.ipv4, port)
        return self.web.connect(self.services["api" if way == "outbound" else "stray"].ipv4, port)

    def recorder(self, way, port):
        return self.recorders["stray" if way == "stray" else "api", port]


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
    recorder = scene.recorder(way, 8080)
    with scene.connect(way, 8080) as client:
        data = ask(client, row.data + AFTER)
    seen = recorder.take()
    statuses = [answer.status for answer in answers(data, [request.method for request in seen])]
    assert ([str(request) for request in seen], statuses) in list(outcomes(row)), row.rfc
    if row.expected == [str(request) for request in seen[:1]]:
        for name in row.lacks:
            assert seen[0].get(name) is None, name
        for name, value in row.has:
            assert seen[0].all(name) == [value]


def h2_outcome(peer, row):
    """REFUSED, CONNECTION or "accepted"; whatever it is, only that stream suffers of REFUSED."""
    stream = peer.new_id()
    peer.send(row.frames(stream))
    peer.wait(lambda: stream in peer.ended or stream in peer.resets or peer.goaways, "what becomes of it")
    if peer.goaways:
        peer.wait_ended()
        return h2_rows.CONNECTION
    assert peer.ask(path="/after") == 200
    if stream in peer.resets or peer.statuses[stream] in (400, 431):
        return h2_rows.REFUSED
    assert peer.statuses[stream] == 200
    return "accepted"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("row", h2_rows.ROWS, ids=str)
def test_http2(scene, row, way):
    recorder = scene.recorder(way, 8082)
    peer = Peer(scene.connect(way, 8082))
    try:
        outcome = h2_outcome(peer, row)
    finally:
        peer.close()
    seen = recorder.take()
    requests = [str(request) for request in seen if request.target != "/after"]
    what = requests[0] if outcome == "accepted" and len(requests) == 1 else outcome
    assert what in (row.expected if isinstance(row.expected, tuple) else (row.expected,)), row.rfc
    assert requests == ([] if outcome in (h2_rows.REFUSED, h2_rows.CONNECTION) else [what])
    if outcome == "accepted":
        for name in row.lacks:
            assert seen[0].get(name) is None, name
        for name, value in row.has:
            assert seen[0].all(name) == [value]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", range(len(answer_rows.ROWS)), ids=lambda number: answer_rows.ROWS[number].name)
def test_answers(scene, number, way):
    """POST, which is never asked twice, where the method does not matter."""
    row = answer_rows.ROWS[number]
    method = b"POST" if row.method == b"GET" else row.method
    with scene.connect(way, 8080) as client:
        data = ask(client, get(f"/row/{number}", b"Content-Length: 0", method=method) + AFTER)
    assert b"smuggled" not in data
    assert [str(request) for request in scene.recorder(way, 8080).take()][0] == f"{method.decode()} /row/{number} 0"
    try:
        first, *others = answers(data, [method.decode()])
    except EOFError:
        assert answer_rows.BAD in row.expected, row.rfc
        return
    got = answer_rows.BAD if first.status == 502 else (first.status, first.body)
    assert got in row.expected, row.rfc
    assert [(other.status, other.body) for other in others] == [(200, b"GET /after 0\n")]


def test_nothing_else_came_through(scene):
    """The last, and so about all of them: nothing was late, nothing could be read in two ways."""
    for proxy in (scene.web.proxy, scene.api.proxy):
        wait_until(lambda: proxy.metric("outrigger_requests_open") == 0, "all requests to end")
    for recorder in scene.recorders.values():
        assert recorder.take() == [] and recorder.problems == []

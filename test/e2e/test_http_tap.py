"""/tap: live requests as JSON lines, and the access log's format and filter."""
import contextlib
import json
import socket

import pytest

from mesh import IS_SANITIZED, Mesh, Talk, wait_until, web_and_api
from mesh.proxy import ADMIN_PORT


@pytest.fixture(scope="module")
def scene():
    with Mesh() as mesh:
        web, [api], service = web_and_api(
            mesh, app="http_echo.py", port_name="http", access_log="true",
            access_log_format="{time} LINE {direction} {method} {path} {status} {reason}",
            access_log_filter="path=/logged*&direction=outbound")
        yield web, api, service


@pytest.fixture
def talk(scene):
    web, _, service = scene
    with Talk(web, *service.vip) as made:
        yield made


class Tap:
    """Lines of /tap, from inside of a pod."""

    def __init__(self, pod, query=""):
        with pod.proxy.namespace.entered():
            self.socket = socket.create_connection(("127.0.0.1", ADMIN_PORT), 10)
        self.socket.sendall(f"GET /tap{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = dict(line.decode().strip().lower().split(": ", 1)
                            for line in iter(self.file.readline, b"\r\n"))

    def chunk(self):
        size = int(self.file.readline(), 16)
        data = self.file.read(size)
        assert self.file.readline() == b"\r\n"
        return data

    def line(self):
        data = self.chunk()
        assert data.endswith(b"\n") and data.count(b"\n") == 1
        return json.loads(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()


def test_requests_are_shown_as_they_end(scene, talk):
    web, api, _ = scene
    with Tap(web) as outbound, Tap(api) as inbound:
        assert outbound.status == 200 and outbound.headers["content-type"] == "application/x-ndjson"
        talk.ask("/?secret=1", headers={"x-request-id": "id-7"})
        here, there = outbound.line(), inbound.line()
    assert here["direction"] == "outbound" and there["direction"] == "inbound"
    for line in (here, there):
        assert (line["method"], line["path"], line["status"]) == ("GET", "/", 200)
        assert line["request_id"] == "id-7" and line["reason"] == ""
        assert line["source_identity"] == web.identity and line["destination_identity"] == api.identity
    assert here["service"] == "demo/api" and here["upstream_protocol"] == "h2"
    assert there["protocol"] == "h2" and there["upstream_protocol"] == "http/1.1"
    assert here["duration_us"] >= there["duration_us"] > 0


def test_filters_hold_back_the_rest(scene, talk):
    web, _, _ = scene
    with Tap(web, "?status=4xx&path=/status/*&method=GET&limit=2") as tap:
        for path in ("/", "/status/200", "/status/404", "/bytes/1", "/status/410", "/status/411"):
            talk.ask(path)
        assert [tap.line()["status"] for _ in range(2)] == [404, 410]
        assert tap.chunk() == b"", "the end, at the limit"


def test_a_refusal_is_shown_with_its_reason(scene, talk):
    _, api, _ = scene
    with Tap(api, "?reason=any") as tap:
        talk.ask("/ok")
        assert talk.ask("/drop").status == 502
        line = tap.line()
    assert line["path"] == "/drop" and line["reason"] and line["error"]


@pytest.mark.parametrize("query, complaint", [
    ("?stats=5xx", '"stats" is no condition; did you mean "status"?'),
    ("?status=9", 'status: "9" is neither'),
    ("?limit=0", 'limit: "0" is no number of lines'),
    ("?status=200&status=404", "status: is there twice"),
])
def test_a_wrong_filter_is_told(scene, query, complaint):
    web, _, _ = scene
    answer = web.proxy.admin(f"/tap{query}")
    assert answer.status == 400 and complaint in answer.text


def test_a_reader_that_does_not_read_costs_lines_only(scene, talk):
    """Nothing waits for it, its lines are dropped and counted, and others get theirs."""
    web, _, _ = scene
    before = web.proxy.resident_bytes()
    with Tap(web) as stopped, Tap(web, "?path=/last") as other:
        def dropped():
            return web.proxy.metric("outrigger_tap_lines_dropped_total")
        sent = 0
        while not dropped() and sent < 20000:
            for _ in range(500):
                assert talk.ask("/x" * 100).status == 200
            sent += 500
        assert dropped() > 0
        if not IS_SANITIZED:  # which keeps what was freed
            assert web.proxy.resident_bytes() - before < 16 << 20
        talk.ask("/last")
        assert other.line()["path"] == "/last"
        assert stopped.line()["path"] == "/x" * 100


def test_no_more_taps_than_allowed(scene):
    web, _, _ = scene
    with contextlib.ExitStack() as stack:
        taps = [stack.enter_context(Tap(web)) for _ in range(8)]
        assert all(tap.status == 200 for tap in taps)
        with Tap(web) as one_more:
            assert one_more.status == 503
    wait_until(lambda: Tap(web, "?limit=1").status == 200, "room again")


def test_the_log_has_the_lines_that_its_filter_lets_through_in_its_format(scene, talk):
    web, api, _ = scene
    talk.ask("/other")
    talk.ask("/logged/a%22b")
    web.proxy.wait_for_log("/logged/a")
    lines = [line for line in web.proxy.log().splitlines() if " LINE " in line]
    assert len(lines) == 1
    assert lines[0].split(" LINE ")[1] == "outbound GET /logged/a%22b 200 -"
    assert " LINE " not in api.proxy.log(), "inbound is not what the filter asks for"

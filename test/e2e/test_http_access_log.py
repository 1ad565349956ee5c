"""The access log: what a line tells, that no request can forge one, and what is left out."""
import contextlib
import fcntl
import json
import os
import re

import pytest

from mesh import Mesh, Talk, program, wait_until, web_and_api

F_SETPIPE_SZ = 1031


@pytest.fixture(scope="module")
def events():
    """(web, api, service) that log events"""
    with Mesh() as mesh:
        web, [api], service = web_and_api(mesh, app="http_echo.py", port_name="http")
        yield web, api, service


def requests_of(pod, **fields):
    return pod.proxy.events("request", **fields)


def test_both_sides_tell_the_same_request(events):
    web, api, service = events
    with Talk(web, *service.vip) as talk:
        answer = talk.ask("/a/./b?secret=1", "PUT", {"traceparent": f"00-{'c' * 32}-{'d' * 16}-00"},
                          body=b"12345")
    assert answer.status == 200
    here = web.proxy.wait_for_event("request", path="/a/b")
    there = api.proxy.wait_for_event("request", path="/a/b")
    for line in (here, there):
        assert line["method"] == "PUT" and line["status"] == 200 and line["reason"] == ""
        assert line["trace_id"] == "c" * 32
        assert line["source_identity"] == web.identity
        assert line["destination_identity"] == api.identity
        assert line["bytes_sent"] == 5 and line["bytes_received"] == len(answer.body)
        assert 0 < line["head_us"] <= line["duration_us"]
    assert here["request_id"] == there["request_id"] != ""
    assert here["duration_us"] >= there["duration_us"]
    assert (here["direction"], there["direction"]) == ("outbound", "inbound")
    assert here["endpoint"] == there["destination"] == f"{api.ipv4}:8080"
    assert (here["upstream_protocol"], there["protocol"]) == ("h2", "h2")
    assert here["service"] == "demo/api"
    assert "secret" not in web.proxy.log() + api.proxy.log(), "queries are nobody's business"


@contextlib.contextmanager
def logging(**options):
    """(web, service): `options` are those of both proxies."""
    with Mesh() as mesh:
        web, _, service = web_and_api(mesh, app="http_echo.py", port_name="http", **options)
        yield web, service


NASTY = ["/%0d%0aGET%20/forged%20200", "/%00%1b%5b2J", "/back%5cslash", "/%ff%fe", "/%22%20200%20%22"]


def test_no_request_can_forge_a_line():
    """Each line of a format is one request's, and what is in quotes ends where the format ends it."""
    line_format = 'LINE {time} "{path}" "{authority}" {status} "{request_id}" {{{trace_id}}'
    shape = re.compile(r'LINE \d{4}-\d\d-\d\dT[\d:.]+Z "((?:[^"\\]|\\x[0-9a-f]{2})*)" '
                       r'"((?:[^"\\]|\\x[0-9a-f]{2})*)" (\d{3}) "((?:[^"\\]|\\x[0-9a-f]{2})*)" \{-\}')
    with logging(access_log_format=line_format) as (web, service):
        for path in NASTY:
            with Talk(web, *service.vip) as talk:
                talk.ask(path, headers={"Host": "api", "X-Request-Id": 'a"b c\\\xff'})

        def lines():
            return [line for line in web.proxy.log().splitlines() if "LINE" in line]
        wait_until(lambda: len(lines()) >= len(NASTY), "all lines")
        assert len(lines()) == len(NASTY)
        for line in lines():
            assert shape.fullmatch(line) and line.isascii() and line.isprintable(), line


def test_only_what_the_filter_lets_through_is_logged():
    with logging(access_log_filter="status=5xx&path=/status/*&direction=outbound") as (web, service):
        with Talk(web, *service.vip) as talk:
            for path in ("/", "/status/404", "/status/500", "/bytes/9", "/status/503", "/status/200"):
                talk.ask(path)
        assert web.proxy.wait_for_event("request", status=503)
        assert [line["path"] for line in requests_of(web)] == ["/status/500", "/status/503"]


def test_a_sample_is_a_share():
    with logging(access_log_filter="sample=0.5") as (web, service):
        with Talk(web, *service.vip) as talk:
            for _ in range(400):
                talk.ask("/")
        wait_until(lambda: web.proxy.metric("outrigger_requests_total") == 400, "all to have ended")
        assert 120 < len(requests_of(web)) < 280  # eight deviations from the half


@pytest.mark.parametrize("option,value,said", [
    ("format", "{method} {nothing}", 'there is no field "nothing"'),
    ("format", "{method", "without `}`"),
    ("format", "a\nb", "a control byte would break the line"),
    ("filter", "status=9xx", "status: "),
    ("filter", "colour=red", "colour"),
    ("filter", "sample=2", "sample: "),
    ("filter", "path=/a&path=/b", "path: is there twice"),
])
def test_what_is_wrong_is_told_at_the_start(events, option, value, said):
    web, _, _ = events
    done = web.net.run(program("outrigger-proxy"), "--pod=demo/web", "--controller=127.0.0.1:1",
                       f"--access-log-{option}={value}", check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done
    assert done.stderr.startswith(f"outrigger-proxy: --access-log-{option}: ") and said in done.stderr


def test_nobody_reads_and_requests_go_on():
    """Lines that find no room are dropped and counted, never waited for; those that come are whole."""
    with contextlib.ExitStack() as stack:
        mesh = stack.enter_context(Mesh())
        service = mesh.service("api", {"http": (80, 8080)})
        api = mesh.pod("api-1", ports={"http": 8080})
        api.run_app("http_echo.py", "8080")
        log = os.path.join(mesh.folder, "proxy-web.log")
        os.mkfifo(log, 0o666)
        reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
        stack.callback(os.close, reader)
        fcntl.fcntl(reader, F_SETPIPE_SZ, 4096)
        try:
            web = mesh.pod("web")
            with Talk(web, *service.vip) as talk:
                assert [talk.ask("/").status for _ in range(50)] == [200] * 50
                wait_until(lambda: web.proxy.metric("outrigger_requests_total") == 50, "the counts")
                dropped = web.proxy.metric("outrigger_log_lines_dropped_total")
                assert dropped >= 40, "a page holds few lines"
                text = os.read(reader, 1 << 16)
                talk.ask("/after")
                wait_until(lambda: web.proxy.metric("outrigger_requests_total") == 51, "one more")
                text += os.read(reader, 1 << 16)
        finally:  # a file again, which the end reads; the proxy keeps its pipe
            os.unlink(log)
            open(log, "wb").close()
        lines = [json.loads(line) for line in text.decode().splitlines()]
        assert lines[-1]["path"] == "/after" and lines[-1]["lines_dropped"] >= dropped

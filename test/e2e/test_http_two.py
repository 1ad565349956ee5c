"""HTTP/2 and gRPC between pods."""
import contextlib
import itertools
import json
import os
import subprocess

import pytest

from mesh import IS_SANITIZED, Mesh, wait_until, web_and_api
from mesh.programs import PYTHON, app

numbers = itertools.count(1)


@pytest.fixture(scope="module", params=["grpc", "any"])
def grpc_scene(request):
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh, apis=2, app="grpc_echo.py", port_name=request.param)
        yield mesh, web, apis, service


@pytest.fixture(scope="module")
def http_scene():
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh, app="http_echo.py", port_name="any")
        yield mesh, web, apis, service


def grpc(scene, what, *arguments):
    _, web, _, service = scene
    done = web.net.run(PYTHON, app("grpc_calls.py"), f"{service.ipv4}:80", what, *arguments)
    return json.loads(done.stdout)


def test_calls_of_one_channel_are_balanced(grpc_scene):
    """One connection of the client, yet each request goes where it is best."""
    seen = grpc(grpc_scene, "unary", "40")
    assert set(seen) == {"api-1", "api-2"} and sum(seen.values()) == 40


def test_many_calls_at_once(grpc_scene):
    assert grpc(grpc_scene, "parallel", "300") == 300


def test_streams_both_ways(grpc_scene):
    count = 1000 if not IS_SANITIZED else 100
    assert grpc(grpc_scene, "stream", f"10000x{count}") == 10000 * count
    assert grpc(grpc_scene, "collect", f"10000x{count}") == 10000 * count
    assert grpc(grpc_scene, "chat", "100") == 100


@pytest.mark.parametrize("code,name", [(3, "INVALID_ARGUMENT"), (14, "UNAVAILABLE"), (16, "UNAUTHENTICATED")])
def test_a_status_arrives(grpc_scene, code, name):
    assert grpc(grpc_scene, "fail", str(code)) == [name, "as asked"]


@contextlib.contextmanager
def calling(scene, what):
    """A client that goes on until a line comes."""
    _, web, _, service = scene
    with web.net.entered():
        client = subprocess.Popen([PYTHON, app("grpc_calls.py"), f"{service.ipv4}:80", what],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield client
    finally:
        client.kill()
        client.communicate()


def streams(pods, path):
    return [s for pod in pods for c in pod.proxy.connections() for s in c.get("streams", [])
            if s["path"] == path]


def is_said(pods, text, before=0):
    return sum(pod.apps[0].log().count(text) for pod in pods) > before


def test_a_cancelled_call_reaches_the_server(grpc_scene):
    _, _, apis, _ = grpc_scene
    before = sum(pod.apps[0].log().count("the client has gone") for pod in apis)
    with calling(grpc_scene, "wait") as client:
        wait_until(lambda: streams(apis, "/echo.Echo/Wait"), "the call to be on its way")
        wait_until(lambda: is_said(apis, "waiting", before), "it to be served")
        assert client.communicate("\n", timeout=20)[0] == '"cancelled"\n'
    wait_until(lambda: is_said(apis, "the client has gone", before), "the server to be told")


@pytest.mark.parametrize("what,path,counter", [
    ("stall", "/echo.Echo/Stream", "bytes_received"), ("flood", "/echo.Echo/Ignore", "bytes_sent")])
def test_who_does_not_read_stops_who_writes(grpc_scene, what, path, counter):
    """Windows are opened as the other side reads: no proxy takes in what it cannot get rid of."""
    _, web, apis, _ = grpc_scene
    pods = (web, *apis)
    before = {pod.name: pod.proxy.own_bytes() for pod in pods}
    with calling(grpc_scene, what) as client:
        moved = []

        def is_still():
            moved.append([s[counter] for s in streams(pods, path)])
            return len(moved) > 5 and len(moved[-1]) == 2 and moved[-1] == moved[-5]
        wait_until(is_still, "the flow to stop", 30)
        assert 0 < max(moved[-1]) < 50 << 20
        if not IS_SANITIZED:
            for pod in pods:
                assert pod.proxy.own_bytes() < before[pod.name] + (4 << 20)
        client.communicate("\n", timeout=20)
        assert client.returncode == 0
    wait_until(lambda: not streams(pods, path), "the call to be gone")


def test_the_log_tells_grpc_statuses(grpc_scene):
    _, web, apis, _ = grpc_scene
    grpc(grpc_scene, "fail", "9")
    line = web.proxy.wait_for_event("request", grpc_status=9)
    assert line["status"] == 200 and line["path"] == "/echo.Echo/Fail" and line["reason"] == ""
    assert line["protocol"] == "h2" and line["upstream_protocol"] == "h2"
    there = [pod.proxy.wait_for_event("request", request_id=line["request_id"]) for pod in apis
             if f'"request_id":"{line["request_id"]}"' in pod.proxy.log()]
    assert there and there[0]["upstream_protocol"] == "h2" and there[0]["source_identity"] == web.identity


def test_proxies_answer_grpc_in_its_own_words(grpc_scene):
    mesh, web, _, _ = grpc_scene
    nobody = mesh.service(f"nobody-{next(numbers)}", {"grpc": (80, 8080)})

    def call():
        done = web.net.run(PYTHON, app("grpc_calls.py"), f"{nobody.ipv4}:80", "fail", "3")
        return json.loads(done.stdout)
    assert wait_until(lambda: "no usable" in call()[1] and call(), "the Service to be known") == \
        ["UNAVAILABLE", "the service has no usable endpoint"]
    done = web.net.run("curl", "-sSi", "--http2-prior-knowledge", "-H", "content-type: application/grpc",
                       "-H", "te: trailers", "--data", "", f"http://{nobody.ipv4}/echo.Echo/Unary")
    fields = dict(line.split(": ", 1) for line in done.stdout.splitlines()[1:] if ": " in line)
    assert done.stdout.startswith("HTTP/2 200") and fields["grpc-status"] == "14"
    assert fields["server"] == "outrigger" and fields["content-type"] == "application/grpc"


@pytest.fixture(scope="module", params=["http2", "any"])
def h2_scene(request):
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh, apis=2, app="h2_app.py", port_name=request.param)
        yield mesh, web, apis, service


def curl(scene, path, *arguments):
    _, web, _, service = scene
    done = web.net.run("curl", "-sS", "--max-time", "20", "--http2-prior-knowledge", *arguments,
                       f"http://{service.ipv4}{path}")
    return done.stdout


def test_http_2_stays_http_2(h2_scene):
    """With prior knowledge, to the application, which learns who asks."""
    _, web, apis, service = h2_scene
    assert curl(h2_scene, "/", "-w", " %{http_version} %{http_code}") == "nothing 2 200"
    fields = dict(line.split(": ", 1) for line in curl(h2_scene, "/fields?x=1", "-H", "X-Own: kept",
                                                       "-H", "Outrigger-Orig-Proto: forged").splitlines())
    assert fields[":method"] == "GET" and fields[":path"] == "/fields?x=1"
    assert fields[":authority"] == service.ipv4 and fields[":scheme"] == "http"
    assert fields["x-own"] == "kept" and not any(name.startswith("outrigger") for name in fields)
    assert fields["x-forwarded-client-cert"] == f"By={apis[0].identity};URI={web.identity}"


def test_bodies_over_http_2(h2_scene, tmp_path):
    big = 8 << 20 if not IS_SANITIZED else 1 << 20
    body = tmp_path / "body"
    body.write_bytes(os.urandom(big))
    answer = tmp_path / "answer"
    assert curl(h2_scene, "/", "--data-binary", f"@{body}", "-o", str(answer), "-w", "%{http_code}") == "200"
    assert answer.read_bytes() == body.read_bytes()
    for path in ("/bytes/0", "/bytes/1", f"/bytes/{big}"):
        assert curl(h2_scene, path, "-o", "/dev/null", "-w", "%{size_download}") == path[7:]
    assert curl(h2_scene, "/bytes/1000", "--head", "-w", "%{http_code}", "-o", "/dev/null") == "200"


def test_many_streams_of_few_connections(h2_scene):
    """nghttp2's own client, up to as many streams as it is allowed."""
    _, web, _, service = h2_scene
    done = web.net.run("h2load", "-n", "2000", "-c", "4", "-m", "100", f"http://{service.ipv4}/bytes/1000")
    assert "2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout" in done.stdout
    assert "2000 2xx" in done.stdout
    for pool in web.proxy.admin("/connections").json()["pools"]:
        assert len(pool["connections"]) <= 5, "few connections between the proxies, of 100 streams each"


def test_trailers_over_http_2(h2_scene):
    """Both ways, as python3-h2 sees them."""
    _, web, _, service = h2_scene
    done = web.net.run(PYTHON, app("h2_trailers.py"), service.ipv4, "80")
    assert json.loads(done.stdout) == {"status": "200", "body": "abc", "trailers": {
        "x-seen": "x-sent=yes", "x-last": "too"}}


def test_a_server_without_http_2_answers_a_client_with_it(http_scene):
    """Prior knowledge is for the server to keep; without it the client is told, not left waiting."""
    assert curl(http_scene, "/x", "-o", "/dev/null", "-w", "%{http_code}") == "502"

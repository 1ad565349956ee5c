"""HTTP/2 and gRPC between pods."""
import json
import subprocess

import pytest

from mesh import IS_SANITIZED, Mesh, wait_until, web_and_api
from mesh.programs import PYTHON, app


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


def test_a_cancelled_call_reaches_the_server(grpc_scene):
    _, web, apis, service = grpc_scene
    before = sum(pod.apps[0].log().count("the client has gone") for pod in apis)
    with web.net.entered():
        client = subprocess.Popen([PYTHON, app("grpc_calls.py"), f"{service.ipv4}:80", "wait"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    wait_until(lambda: any(s["path"] == "/echo.Echo/Wait" for pod in apis
                           for c in pod.proxy.connections() for s in c.get("streams", [])),
               "the call to be on its way")
    wait_until(lambda: sum(pod.apps[0].log().count("waiting") for pod in apis) > before, "it to be served")
    assert client.communicate("\n", timeout=20)[0] == '"cancelled"\n'
    wait_until(lambda: sum(pod.apps[0].log().count("the client has gone") for pod in apis) > before,
               "the server to be told")


def test_the_log_tells_grpc_statuses(grpc_scene):
    _, web, apis, _ = grpc_scene
    grpc(grpc_scene, "fail", "9")
    line = web.proxy.wait_for_event("request", grpc_status=9)
    assert line["status"] == 200 and line["path"] == "/echo.Echo/Fail" and line["reason"] == ""
    assert line["protocol"] == "h2" and line["upstream_protocol"] == "h2"
    there = [pod.proxy.wait_for_event("request", request_id=line["request_id"]) for pod in apis
             if f'"request_id":"{line["request_id"]}"' in pod.proxy.log()]
    assert there and there[0]["upstream_protocol"] == "h2" and there[0]["source_identity"] == web.identity


def curl(scene, path, *arguments):
    _, web, _, service = scene
    done = web.net.run("curl", "-sS", "--max-time", "20", "--http2-prior-knowledge", *arguments,
                       f"http://{service.ipv4}{path}")
    return done.stdout


def test_a_server_without_http_2_answers_a_client_with_it(http_scene):
    """Prior knowledge is for the server to keep; without it the client is told, not left waiting."""
    assert curl(http_scene, "/x", "-o", "/dev/null", "-w", "%{http_code}") == "502"

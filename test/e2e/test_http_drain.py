"""A proxy ends, certificates are renewed, endpoints go: those who ask notice nothing."""
import signal
import subprocess

import pytest

from mesh import IS_SANITIZED, Load, Mesh, Talk, receive_all, wait_until, web_and_api
from mesh.programs import PYTHON, app

APPS = {"http": ("http_echo.py", "http"), "close": ("http_echo.py", "any"),
        "grpc": ("grpc_echo.py", "grpc")}
MANY = 500 if not IS_SANITIZED else 100


@pytest.fixture
def mesh():
    with Mesh() as made:
        yield made


def scene(mesh, what, apis=2, **options):
    name, port_name = APPS[what]
    return web_and_api(mesh, apis=apis, app=name, port_name=port_name, **options)


@pytest.mark.parametrize("what", APPS)
def test_a_server_goes_and_no_request_with_it(mesh, what):
    """A rolling restart: the endpoint goes, its proxy is told to end; requests are on their way."""
    web, apis, service = scene(mesh, what, drain_timeout="20s")
    with Load(web, what, *service.vip) as load:
        for pod in apis:
            pod.unpublish()
            pod.proxy.signal(signal.SIGTERM)
            assert pod.proxy.wait(10) == 0, "long before its time is over"
            load.wait_for_more(MANY)
            pod.publish()
            pod.start_proxy()
            load.wait_for_more(MANY)
        assert load.stop()["failed"] == []


@pytest.mark.parametrize("what", ["http", "close"])
def test_strangers_do_not_notice_either(mesh, what):
    """Plaintext from outside of the mesh, straight to the pod: only the answers can tell them."""
    _, apis, _ = scene(mesh, what, apis=1)
    api = apis[0]
    with Load(mesh.node("outside"), what, api.ipv4, 8080) as load:
        api.proxy.signal(signal.SIGTERM)
        api.proxy.wait_for_event("draining")
        load.wait_for_more(MANY)
        result = load.stop()
        assert result["failed"] == [] and api.proxy.wait() == 0
        assert what == "close" or result["connections"] >= MANY // 2, "each was told to come anew"


@pytest.mark.parametrize("what", APPS)
def test_the_clients_proxy_ends_last(mesh, what):
    """The application goes on as long as it likes, with new connections too, then the proxy ends."""
    web, _, service = scene(mesh, what)
    with Load(web, what, *service.vip) as load:
        web.proxy.signal(signal.SIGTERM)
        web.proxy.wait_for_event("draining")
        load.wait_for_more(MANY)
        assert load.stop()["failed"] == []
    assert web.proxy.wait() == 0


def test_one_client_that_connects_now_and_then_is_served_to_the_end(mesh):
    """Between two of its connections nothing is open: that is not yet the end."""
    web, _, service = scene(mesh, "close")
    with Load(web, "close", *service.vip, count=1) as load:
        web.proxy.signal(signal.SIGTERM)
        load.wait_for_more(MANY)
        assert load.stop()["failed"] == []
    assert web.proxy.wait() == 0


def test_who_is_silent_is_not_waited_for(mesh):
    web, _, service = scene(mesh, "http", drain_timeout="1h")
    with Talk(web, *service.vip) as talk:
        assert talk.ask().status == 200
        web.proxy.signal(signal.SIGTERM)
        assert web.proxy.wait() == 0


def test_an_answer_that_has_begun_is_finished_and_the_next_request_answered(mesh):
    """Its head had promised that the connection would be kept: the next answer takes that back."""
    web, _, service = scene(mesh, "http", apis=1, drain_timeout="1h")
    size = 64 << 20  # more than can be on its way
    with Talk(web, *service.vip) as talk:
        talk.connection.request("GET", f"/bytes/{size}")
        answer = talk.connection.getresponse()
        assert not answer.will_close
        web.proxy.signal(signal.SIGTERM)
        web.proxy.wait_for_event("draining")
        assert len(answer.read()) == size
        last = talk.ask()
        assert last.status == 200 and last.headers["connection"] == "close"
    assert web.proxy.wait() == 0


def test_what_has_begun_is_finished(mesh):
    """Calls and bodies that are on their way when both proxies are told to end."""
    web, apis, service = scene(mesh, "grpc", apis=1, drain_timeout="1h")
    bodies = mesh.service("bodies", {"http": (80, 8081)}, selector={"app": "api"})
    apis[0].run_app("http_echo.py", "8081")
    with web.net.entered():
        chat = subprocess.Popen([PYTHON, app("grpc_calls.py"), f"{service.ipv4}:80", "talk"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    chat.stdin.write("first\n")
    chat.stdin.flush()
    assert chat.stdout.readline() == "first\n"
    with web.connect(*bodies.vip) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 10\r\n\r\n12345")
        apis[0].apps[1].wait_for_log("request POST")
        for pod in (web, apis[0]):
            pod.proxy.signal(signal.SIGTERM)
            pod.proxy.wait_for_event("draining")
        client.sendall(b"67890")
        answer = receive_all(client)
        assert answer.startswith(b"HTTP/1.1 200") and b"connection: close" in answer and b'"size": 10' in answer
    assert chat.communicate("second\nlast\n", timeout=20)[0] == "second\nlast\n" and chat.returncode == 0
    assert apis[0].proxy.wait() == 0 and web.proxy.wait() == 0


def test_certificates_are_renewed_under_load():
    with Mesh(leaf_ttl="6s") as mesh:
        web, apis, service = web_and_api(mesh, apis=2, app="http_echo.py", port_name="http")

        def serials():
            return [pod.proxy.admin("/certificates").json()["serial"] for pod in (web, *apis)]
        before = serials()
        with Load(web, "http", *service.vip) as load:
            for _ in range(2):
                wait_until(lambda: not set(serials()) & set(before), "all to be renewed", 20)
                before = serials()
            load.wait_for_more(MANY)
            assert load.stop()["failed"] == []


def test_endpoints_come_and_go_under_load(mesh):
    web, apis, service = scene(mesh, "http", apis=3)
    with Load(web, "http", *service.vip, count=8) as load:
        for _ in range(3):
            for pod in apis:
                pod.unpublish()
                load.wait_for_more(50)
                pod.publish()
        assert load.stop()["failed"] == []

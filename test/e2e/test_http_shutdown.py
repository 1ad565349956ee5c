"""SIGTERM under load, on both sides, in both protocols, whatever else is the matter: no request notices."""
import contextlib
import signal

import pytest

from mesh import IS_SANITIZED, Load, Mesh, Talk, ask, wait_until, web_and_api

APPS = {"http": ("http_echo.py", "http"), "grpc": ("grpc_echo.py", "grpc")}
MANY = 400 if not IS_SANITIZED else 80


@contextlib.contextmanager
def controller_as(mesh, state):
    """The controller as it is, standing still, or gone."""
    process = mesh.controller.process
    if state == "still":
        process.signal(signal.SIGSTOP)
    elif state == "gone":
        mesh.controller.kill()
    try:
        yield
    finally:
        if state == "still":
            process.signal(signal.SIGCONT)
            mesh.controller.wait_ready()
        elif state == "gone":
            mesh.controller.restart()


@pytest.mark.parametrize("controller", ["there", "still", "gone"])
@pytest.mark.parametrize("what", APPS)
@pytest.mark.parametrize("side", ["inbound", "outbound"])
def test_sigterm_under_load(side, what, controller):
    """Inbound: one of two endpoints ends; where the controller cannot tell that to the caller, its own
    GOAWAY does. Outbound: the caller's proxy ends, and the application goes on for as long as it likes,
    with new connections too."""
    app, port_name = APPS[what]
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh, apis=2, app=app, port_name=port_name, drain_timeout="60s")
        proxy = apis[0].proxy if side == "inbound" else web.proxy
        with Load(web, what, *service.vip) as load, controller_as(mesh, controller):
            proxy.signal(signal.SIGTERM)
            proxy.wait_for_event("draining")
            load.wait_for_more(MANY)
            if side == "inbound":
                apis[0].publish(is_ready=False)
                assert proxy.wait() == 0, "long before a minute is over"
                load.wait_for_more(MANY)
            elif what == "http":
                with Load(web, "close", *service.vip) as more:
                    more.wait_for_more(MANY)
                    assert more.stop()["failed"] == []
            assert load.stop()["failed"] == []
        assert proxy.wait() == 0


@pytest.mark.parametrize("what", APPS)
def test_everything_ends_at_once(what):
    """Both proxies are told at the same moment, as when a node goes; another endpoint stays."""
    app, port_name = APPS[what]
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh, apis=3, app=app, port_name=port_name, drain_timeout="60s")
        with Load(web, what, *service.vip, count=8) as load:
            for pod in (web, *apis[:2]):
                pod.proxy.signal(signal.SIGTERM)
            load.wait_for_more(MANY)
            assert load.stop()["failed"] == []
        for pod in (web, *apis[:2]):
            assert pod.proxy.wait() == 0


@pytest.mark.parametrize("what", APPS)
def test_strangers_who_keep_their_connection_are_told_and_lose_nothing(what):
    """Straight to the pod, in plaintext: only `Connection: close`, or GOAWAY, can tell them."""
    app, port_name = APPS[what]
    with Mesh() as mesh:
        _, apis, _ = web_and_api(mesh, app=app, port_name=port_name, drain_timeout="60s")
        with Load(mesh.node("outside"), what, apis[0].ipv4, 8080) as load:
            apis[0].proxy.signal(signal.SIGTERM)
            apis[0].proxy.wait_for_event("draining")
            load.wait_for_more(MANY)
            assert load.stop()["failed"] == []
        assert apis[0].proxy.wait() == 0


def test_a_caller_that_starts_anew_under_its_application():
    """The proxy crashes, and comes back: what was open is gone, what comes after is served."""
    with Mesh() as mesh:
        web, _, service = web_and_api(mesh, app="http_echo.py", port_name="http")
        with Talk(web, *service.vip) as talk:
            assert talk.ask().status == 200
            web.proxy.kill()
            with pytest.raises(OSError):
                talk.ask()
        web.start_proxy()
        assert ask(web, *service.vip).status == 200


def test_a_drain_that_takes_too_long_cuts_what_is_left_and_says_so():
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh, app="http_echo.py", port_name="http", drain_timeout="500ms")
        with web.connect(*service.vip) as client:
            client.sendall(b"GET /hang HTTP/1.1\r\nHost: api\r\n\r\n")
            apis[0].apps[0].wait_for_log("request GET /hang")
            apis[0].proxy.signal(signal.SIGTERM)
            assert apis[0].proxy.wait() == 0
            answer = client.recv(1 << 16)
            assert answer.startswith(b"HTTP/1.1 50"), answer
        assert wait_until(lambda: [event for event in apis[0].proxy.events()
                                   if event.get("reason") == "drained"], "it to be told")

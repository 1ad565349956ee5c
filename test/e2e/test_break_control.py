"""A controller that misbehaves: what the proxies know goes on, and each says what is wrong."""
import threading

import pytest

from mesh import Mesh, call, wait_until, web_and_api
from mesh.false_controller import Discovery, FalseController
from mesh.wrong_certs import WrongCerts
from xds import protos

SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
TYPE = "type.googleapis.com/outrigger.v1."


@pytest.fixture(scope="module")
def scene():
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh, backoff_min="10ms", backoff_max="100ms")
        assert call(web, *service.vip) == "api-1"
        mesh.controller.kill()
        yield mesh, web, apis[0], service, WrongCerts(mesh.controller.state, mesh.folder)
        # And when a good one is there again, all is as before.
        mesh.controller.restart()
        wait_until(lambda: all(pod.proxy.metric("outrigger_control_connected") == 1
                               for pod in (web, apis[0])), "the proxies to be back", 20)
        assert call(web, *service.vip) == "api-1"


def say(*parts):
    """A behaviour: says that and waits for the end."""
    def behave(tls):
        for part in parts:
            tls.sendall(part)
        while tls.recv(1 << 16):
            pass
    return behave


def say_and_close(data):
    def behave(tls):
        tls.sendall(data)
    return behave


BEHAVIOURS = {
    "closes at once": say_and_close(b""),
    "speaks HTTP/1": say_and_close(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
    "garbage": say(bytes(range(256)) * 64),
    "half a frame": say_and_close(SETTINGS + bytes([0, 64, 0, 0, 0, 0, 0, 0, 1]) + b"x"),
    "a frame too large": say(SETTINGS + bytes([255, 255, 255, 0, 0, 0, 0, 0, 1])),
    "headers that no table has": say(SETTINGS + bytes([0, 0, 2, 1, 4, 0, 0, 0, 1, 255, 255])),
    "GOAWAY to everything": say(SETTINGS + bytes([0, 0, 8, 7, 0, 0, 0, 0, 0]) + bytes(8)),
}


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_a_controller_that_speaks_nonsense(scene, name):
    mesh, web, api, service, certs = scene
    with FalseController(mesh, certs, BEHAVIOURS[name]) as false:
        wait_until(lambda: false.connections >= 6, "the proxies to have tried again and again", 20)
        assert call(web, *service.vip) == "api-1"
        for proxy in (web.proxy, api.proxy):
            assert proxy.is_ready() and proxy.metric("outrigger_control_connected") == 0
    lost = web.proxy.events("control_lost")
    assert lost and all(event["error"] for event in lost), "it says so, and why"
    assert len(lost) <= 2 * len(BEHAVIOURS), "once for each change, not for each attempt"


def test_a_controller_that_says_nothing(scene):
    mesh, web, api, service, certs = scene
    reached = threading.Event()

    def silence(tls):
        reached.set()
        while tls.recv(1 << 16):
            pass
    with FalseController(mesh, certs, silence):
        assert reached.wait(10)
        assert call(web, *service.vip) == "api-1" and api.proxy.is_ready()


def test_resources_that_cannot_be_are_refused_without_a_loop(scene):
    mesh, web, api, service, certs = scene
    discovery = protos.load("discovery")
    sent = {}

    def answer(data):
        """Once for each type: nonsense under every name that was asked for."""
        request = discovery.DeltaDiscoveryRequest.FromString(data)
        asked = list(request.resource_names_subscribe)
        if not asked or request.type_url in sent:
            return
        sent[request.type_url] = True
        response = discovery.DeltaDiscoveryResponse(type_url=request.type_url, nonce="1")
        for name in asked:
            resource = response.resources.add(name=name, version="bad")
            resource.resource.type_url = request.type_url
            resource.resource.value = b"\xff\xff\xff\xff"
        yield response.SerializeToString()
        odd = discovery.DeltaDiscoveryResponse(type_url=TYPE + "Nothing", nonce="2")
        odd.resources.add(name="x", version="1").resource.type_url = TYPE + "Nothing"
        yield odd.SerializeToString()

    behave = Discovery(mesh.folder, answer)
    try:
        with FalseController(mesh, certs, behave):
            def refusals():
                found = [discovery.DeltaDiscoveryRequest.FromString(r)
                         for r in list(behave.requests)]
                return [r for r in found if r.HasField("error_detail")]
            wait_until(lambda: {r.type_url for r in refusals()} >= set(sent) and len(sent) >= 2,
                       "each to be refused")
            assert all(r.error_detail.message for r in refusals())
            assert call(web, *service.vip) == "api-1"
            assert web.proxy.is_ready() and api.proxy.is_ready()
            assert len(behave.requests) < 100, "no loop"
            assert web.proxy.metric("outrigger_control_nacks_total") >= 2
            assert web.proxy.wait_for_event("resource_refused")["error"]
    finally:
        behave.close()

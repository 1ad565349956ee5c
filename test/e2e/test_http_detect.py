"""What is spoken is found out from the first bytes: nobody waits for long, nothing is lost."""
import http.client
import json
import socket
import time

import pytest

from mesh import Mesh, Talk, ask, call, receive, wait_until, web_and_api

REQUEST = b"GET /a HTTP/1.1\r\nHost: api\r\n\r\n"


@pytest.fixture
def mesh():
    with Mesh() as made:
        yield made


def opaque_ports(web, service):
    page = web.proxy.admin("/services").json()["services"]
    return [found for shown in page if shown["address"] == f"{service.ipv4}:80"
            for found in shown["opaque_ports"]]


def greeted(node, address, port):
    """How long the server's greeting took, in seconds."""
    begun = time.monotonic()
    with node.connect(address, port, timeout=5) as client:
        assert receive(client, 13) == b"220 welcome\r\n"
        took = time.monotonic() - begun
        client.sendall(b"HELO\r\n")
        assert receive(client, 6) == b"HELO\r\n"
    return took


def wait_until_old(pod, times):
    """Until the one connection of the pod has been open for so many times detect_timeout."""
    wait_until(lambda: pod.proxy.connections()[0]["age_ms"] > times * 50, "the connection to be old")


def was_http(client):
    """Did a proxy look into the request that http_echo.py answers there?"""
    response = http.client.HTTPResponse(client)
    response.begin()
    assert response.status == 200
    return "x-request-id" in dict(json.loads(response.read())["fields"])


def test_a_server_that_speaks_first_is_waited_for_once(mesh):
    web, _, service = web_and_api(mesh, app="greeting.py", port_name="any", detect_timeout="700ms")
    assert opaque_ports(web, service) == []
    assert greeted(web, *service.vip) >= 0.7
    [found] = opaque_ports(web, service)
    assert found["port"] == 80 and found["why"] == "the server spoke first" and found["since"]
    assert min(greeted(web, *service.vip) for _ in range(3)) < 0.7


def test_what_is_remembered_is_forgotten_with_the_service(mesh):
    web, _, service = web_and_api(mesh, app="greeting.py", port_name="any")
    greeted(web, *service.vip)
    assert opaque_ports(web, service)
    mesh.manifests.put({
        "apiVersion": "outrigger.dev/v1alpha1", "kind": "TrafficPolicy",
        "metadata": {"namespace": "demo", "name": "slow"},
        "spec": {"targetRefs": [{"kind": "Service", "name": "api"}],
                 "service": {"connectTimeout": "3s"}}})
    wait_until(lambda: opaque_ports(web, service) == [], "the port to be forgotten")


def test_a_port_of_the_pod_is_remembered_as_well(mesh):
    _, apis, _ = web_and_api(mesh, app="greeting.py", port_name="any")
    outside = mesh.node("outside")
    greeted(outside, apis[0].ipv4, 8080)
    ports = apis[0].proxy.admin("/config").json()["workload"]["opaque_ports"]
    assert [found["port"] for found in ports] == [8080]


def test_a_silent_client_teaches_nothing(mesh):
    """It is opaque itself, and answered; the next one is understood."""
    web, apis, service = web_and_api(mesh, app="http_echo.py", port_name="any")
    with web.connect(*service.vip) as client:
        apis[0].apps[0].wait_for_log("connection 1")  # given up waiting
        client.sendall(REQUEST)
        assert not was_http(client)
    assert opaque_ports(web, service) == []
    assert "x-request-id" in dict(ask(web, *service.vip).json()["fields"])


@pytest.mark.parametrize("split", [1, 3, 4, 5, 8, 15])
def test_a_slow_first_line_is_waited_for(mesh, split):
    web, apis, service = web_and_api(mesh, app="http_echo.py", port_name="any")
    for source, address, port in ((web, *service.vip), (mesh.node("outside"), apis[0].ipv4, 8080)):
        with source.connect(address, port) as client:
            client.sendall(REQUEST[:split])
            wait_until_old(web if source is web else apis[0], 6)
            client.sendall(REQUEST[split:])
            assert was_http(client)


def test_what_is_no_http_goes_through_as_it_is(mesh):
    web, _, service = web_and_api(mesh, port_name="any")
    for message in (b"hello", b"get / http/1.1\r\n\r\n", b"\x16\x03\x01\x00", b"QUIT\r\n", b"\0", b" GET / HTTP/1.1"):
        assert call(web, *service.vip, message=message) == "api-1"


def test_a_port_that_says_tcp_is_not_looked_into(mesh):
    web, apis, service = web_and_api(mesh, app="http_echo.py", port_name="tcp")
    answer = ask(web, *service.vip)
    assert "x-request-id" not in dict(answer.json()["fields"])
    assert not apis[0].proxy.metric("outrigger_inbound_requests_total")


# Port name, appProtocol, annotations of the Service: is the request looked into?
SAID = [
    ("web", None, {}, True), ("http-web", None, {}, True), ("web", "http", {}, True),
    ("web", "kubernetes.io/ws", {}, True), ("tcp", "http", {}, True),
    ("tcp-web", None, {}, False), ("mysql", None, {}, False), ("https-web", None, {}, False),
    ("web", "tcp", {}, False), ("web", "mysql", {}, False), ("web", "https", {}, False),
    ("http", "tcp", {}, False), ("web", "kubernetes.io/wss", {}, False),
    ("http", "http", {"outrigger.dev/opaque-ports": "80"}, False),
    ("http", "http", {"outrigger.dev/opaque-ports": "70-79,81"}, True),
]


def test_what_is_said_goes_before_what_is_seen(mesh):
    web, _, _ = web_and_api(mesh, app="http_echo.py", port_name="any")
    services = [mesh.service(f"said-{i}", {name: (80, 8080, *([protocol] if protocol else []))},
                             selector={"app": "api"}, annotations=annotations)
                for i, (name, protocol, annotations, _) in enumerate(SAID)]

    def is_known(service):
        ask(web, *service.vip)
        return service.name in str(web.proxy.admin("/services").json())
    wait_until(lambda: all(is_known(service) for service in services), "all to be known")
    seen = ["x-request-id" in dict(ask(web, *service.vip).json()["fields"]) for service in services]
    assert seen == [expected for *_, expected in SAID]


def test_an_http_port_answers_nonsense_itself(mesh):
    web, _, service = web_and_api(mesh, app="http_echo.py", port_name="http")
    with web.connect(*service.vip) as client:
        client.sendall(b"EHLO there\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_an_http_port_waits_for_its_clients(mesh):
    """A client that connects ahead of need is not taken for a protocol where the server speaks."""
    web, apis, service = web_and_api(mesh, app="http_echo.py", port_name="http")
    for source, address, port in ((web, *service.vip), (mesh.node("outside"), apis[0].ipv4, 8080)):
        with Talk(source, address, port) as talk:
            wait_until_old(web if source is web else apis[0], 4)  # and nothing may have happened
            assert "x-request-id" in dict(talk.ask().json()["fields"])


def test_a_client_that_hangs_up_at_once_leaves_nothing(mesh):
    web, apis, service = web_and_api(mesh, app="http_echo.py", port_name="any")
    for source, address, port in ((web, *service.vip), (mesh.node("outside"), apis[0].ipv4, 8080)):
        for said in (b"", b"GE"):
            with source.connect(address, port) as client:
                client.sendall(said)
                client.shutdown(socket.SHUT_WR)
                client.recv(100)

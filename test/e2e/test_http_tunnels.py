"""Connections that HTTP begins and something else goes on with: WebSocket, CONNECT, other upgrades."""
import json
import signal
import socket

import pytest

from mesh import Mesh, receive, receive_all, reset, wait_until, web_and_api
from mesh.programs import PYTHON, app

UPGRADE = b"GET /upgrade HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"


@pytest.fixture
def mesh():
    with Mesh() as made:
        yield made


def read_head(sock):
    head = b""
    while b"\r\n\r\n" not in head:
        part = sock.recv(1)
        assert part, head
        head += part
    return head


def tunnel(pod, service):
    sock = pod.connect(*service.vip)
    sock.sendall(UPGRADE)
    assert read_head(sock).startswith(b"HTTP/1.1 101 ")
    sock.sendall(b"hello")
    assert receive(sock, 5) == b"hello"
    return sock


@pytest.mark.parametrize("port_name", ["http", "any"])
def test_websockets(mesh, port_name):
    web, apis, service = web_and_api(mesh, app="websocket_echo.py", port_name=port_name)

    def client(path, *sizes):
        done = web.net.run(PYTHON, app("websocket_client.py"), f"ws://{service.ipv4}{path}", *sizes)
        return json.loads(done.stdout)
    assert client("/", "0", "1", "125", "126", "70000", "5000000") == {
        "right": 12, "pong": True, "code": 1000, "why": "", "subprotocol": "echo.example"}
    assert client("/close", "10") == {
        "right": 1, "pong": None, "code": 4000, "why": "as asked", "subprotocol": "echo.example"}
    # Who asked is known as with any other request, and it travelled in mutual TLS of its own.
    assert f"URI={web.identity}" in apis[0].apps[0].log()
    line = apis[0].proxy.wait_for_event("request", status=101, path="/")
    assert line["source_identity"] == web.identity and line["protocol"] == "http/1.1"
    assert line["bytes_sent"] > 5000000 and line["bytes_received"] > 5000000 and line["reason"] == ""


def test_a_policy_holds_for_an_upgrade_too(mesh):
    web, apis, service = web_and_api(mesh, app="http_echo.py", port_name="http")
    mesh.access_policy("no-upgrade", {
        "selector": {"matchLabels": {"app": "api"}}, "action": "Deny",
        "rules": [{"to": [{"methods": ["GET"], "paths": ["/upgrade"]}]}]})

    def status():
        with web.connect(*service.vip) as sock:
            sock.sendall(UPGRADE)
            return read_head(sock).split()[1]
    wait_until(lambda: status() == b"403", "the policy to hold")
    assert apis[0].proxy.wait_for_event("request", path="/upgrade", status=403)["reason"] == "policy_denied"


def test_connect(mesh):
    """A server may answer CONNECT itself: bytes go both ways from then on."""
    web, _, service = web_and_api(mesh, app="http_echo.py", port_name="http")
    with web.connect(*service.vip) as sock:
        sock.sendall(b"CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n\r\n")
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")
        sock.sendall(b"\0\1\2 bytes")
        assert receive(sock, 9) == b"\0\1\2 bytes"
        sock.shutdown(socket.SHUT_WR)
        assert receive_all(sock) == b""


@pytest.mark.parametrize("who", ["client", "server"])
def test_half_an_end_goes_through(mesh, who):
    """FIN of one side leaves the other free to speak."""
    web, _, service = web_and_api(mesh, app="half_upgrade.py", port_name="http", arguments=(who,))
    with web.connect(*service.vip) as sock:
        sock.sendall(UPGRADE)
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        if who == "server":
            assert receive_all(sock) == b"the server's last"
            sock.sendall(b"x" * 100000)
            sock.shutdown(socket.SHUT_WR)
        else:
            sock.sendall(b"x" * 100000)
            sock.shutdown(socket.SHUT_WR)
            assert receive_all(sock) == b"100000 bytes"


def test_a_reset_goes_through(mesh):
    web, apis, service = web_and_api(mesh, app="http_echo.py", port_name="http")
    reset(tunnel(web, service))
    wait_until(lambda: not apis[0].proxy.connections(), "nothing to be left")
    apis[0].apps[0].wait_for_log("reset by the client")


def test_tunnels_have_the_idle_time_of_connections(mesh):
    """Neither that of requests nor that between two of them; what a Service says goes first."""
    times = {"stream_idle_timeout": "300ms", "keepalive_timeout": "300ms", "idle_timeout": "2s"}
    web, apis, service = web_and_api(mesh, app="http_echo.py", port_name="http", **times)
    with tunnel(web, service) as sock:
        wait_until(lambda: web.proxy.connections()[0]["idle_ms"] > 1000, "silence")
        sock.sendall(b"still there")
        assert receive(sock, 11) == b"still there"
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    for pod in (web, apis[0]):
        line = pod.proxy.wait_for_event("request", path="/upgrade")
        assert line["duration_us"] >= 2_900_000
    assert "stream_idle" in {web.proxy.events("request")[0]["reason"],
                             apis[0].proxy.events("request")[0]["reason"]}
    mesh.manifests.put({
        "apiVersion": "outrigger.dev/v1alpha1", "kind": "TrafficPolicy",
        "metadata": {"namespace": "demo", "name": "short"},
        "spec": {"targetRefs": [{"kind": "Service", "name": "api"}],
                 "service": {"idleTimeout": "1s"}}})

    def is_cut_soon():
        with tunnel(web, service) as other, pytest.raises(ConnectionResetError):
            other.recv(1)
        return web.proxy.events("request")[-1]["duration_us"] < 1_900_000
    wait_until(is_cut_soon, "the Service's time to hold", timeout=20)


def test_a_drain_waits_for_tunnels(mesh):
    web, apis, service = web_and_api(mesh, app="http_echo.py", port_name="http", drain_timeout="1h")
    with tunnel(web, service) as sock:
        apis[0].proxy.signal(signal.SIGTERM)
        web.proxy.signal(signal.SIGTERM)
        for pod in (web, apis[0]):
            pod.proxy.wait_for_event("draining")
        sock.sendall(b"and on")
        assert receive(sock, 6) == b"and on"
        sock.shutdown(socket.SHUT_WR)
        assert receive_all(sock) == b""
    assert web.proxy.wait() == 0 and apis[0].proxy.wait() == 0

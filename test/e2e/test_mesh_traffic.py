"""Traffic between pods: where it goes, and that it arrives as it was sent."""
import collections
import select
import socket
import struct
import threading

import pytest

from mesh import (IS_SANITIZED, Mesh, call, is_refused, receive, receive_all, reset, wait_until, web_and_api)


@pytest.fixture
def mesh():
    with Mesh() as made:
        yield made


def test_a_vip_balances_over_its_pods(mesh):
    web, apis, service = web_and_api(mesh, apis=2)
    for address in (service.ipv4, service.ipv6):
        seen = collections.Counter(call(web, address, 80) for _ in range(40))
        assert set(seen) == {"api-1", "api-2"}, seen
    opened = web.proxy.metric("outrigger_connections_opened_total", direction="outbound",
                              service="demo/api", tls="mutual",
                              destination_identity=apis[0].identity)
    assert opened == 80


def test_a_dead_application_is_avoided(mesh):
    """Its proxy still takes connections; only their quick end tells that nobody is behind it."""
    web, apis, service = web_and_api(mesh, apis=2)
    apis[0].apps[0].kill()
    failed = sum(is_refused(web, *service.vip) for _ in range(60))
    assert failed <= 6, f"{failed} of 60 calls went to the pod whose application is dead"


def test_a_dead_proxy_is_tried_around(mesh):
    web, apis, service = web_and_api(mesh, apis=2)
    apis[0].proxy.kill()
    assert {call(web, *service.vip) for _ in range(30)} == {"api-2"}
    assert web.proxy.metric("outrigger_connect_retries_total") > 0


def test_every_byte_arrives_in_order(mesh):
    size = 64 << 20 if not IS_SANITIZED else 8 << 20
    web, _, service = web_and_api(mesh, app="source.py", arguments=("--bytes", str(size)))
    with web.connect(*service.vip) as client:
        data = receive_all(client)
    assert len(data) == size
    words = struct.unpack(f"!{size // 8}Q", data)
    assert all(word == i for i, word in enumerate(words))


def test_threads_share_the_connections(mesh):
    """Four workers, many clients at once; run it with SAN=thread."""
    web, _, service = web_and_api(mesh, apis=2, workers=4)
    failed = []

    def talk():
        for _ in range(20):
            try:
                call(web, *service.vip, message=b"x" * 20000)
            except OSError as problem:
                failed.append(problem)

    callers = [threading.Thread(target=talk) for _ in range(16)]
    for caller in callers:
        caller.start()
    while any(caller.is_alive() for caller in callers):
        web.proxy.connections()  # admin pages ask the workers meanwhile
        web.proxy.metrics()
        callers[0].join(0.05)
        callers = [caller for caller in callers if caller.is_alive()] or callers[:1]
    assert not failed
    assert web.proxy.metric("outrigger_connections_opened_total", direction="outbound") == 320


def test_a_client_may_finish_before_the_answer(mesh):
    web, apis, service = web_and_api(mesh, app="slow_reader.py", arguments=("--control", "8081"))
    with web.connect(*service.vip) as client:
        client.sendall(b"x" * 100000)
        client.shutdown(socket.SHUT_WR)
        apis[0].apps[0].wait_for_log("held")
        apis[0].connect("127.0.0.1", 8081).close()
        assert receive_all(client) == b"100000\n"


def test_a_server_may_finish_before_the_question(mesh):
    web, apis, service = web_and_api(mesh, app="half_closer.py")
    with web.connect(*service.vip) as client:
        assert receive_all(client) == b"goodbye\n"
        client.sendall(b"still here")
        client.shutdown(socket.SHUT_WR)
        apis[0].apps[0].wait_for_log("read 10 after half-close")


def test_a_servers_reset_arrives_as_a_reset(mesh):
    web, _, service = web_and_api(mesh, app="resetter.py")
    with web.connect(*service.vip) as client:
        client.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            receive_all(client)


def test_a_clients_reset_arrives_as_a_reset(mesh):
    web, apis, service = web_and_api(mesh)
    client = web.connect(*service.vip)
    client.sendall(b"x")
    assert receive(client, 7) == b"api-1\nx"
    reset(client)
    apis[0].apps[0].wait_for_log("reset by the client")
    wait_until(lambda: web.proxy.metric("outrigger_connections_ended_total", reason="client_reset"),
               "the reset to be counted")


def test_a_slow_reader_slows_the_sender(mesh):
    web, apis, service = web_and_api(mesh, app="slow_reader.py", arguments=("--control", "8081"))
    with web.connect(*service.vip) as client:
        apis[0].apps[0].wait_for_log("held")
        client.setblocking(False)
        sent = 0
        # The kernels of three hops hold some MiB each; whoever buffers without end takes all of it.
        while sent < 256 << 20 and select.select([], [client], [], 1.0)[1]:
            sent += client.send(b"x" * 65536)
        assert sent < 256 << 20, "nothing held the sender back"
        for pod in (web, apis[0]):
            assert all(c["bytes_buffered"] <= 1 << 20 for c in pod.proxy.connections())
        apis[0].connect("127.0.0.1", 8081).close()
        client.settimeout(30)
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b"%d\n" % sent


def test_the_server_may_speak_first(mesh):
    """No annotation, no stall: in the mesh through its VIP, and in plaintext from outside."""
    web, apis, service = web_and_api(mesh, app="greeting.py")
    outside = mesh.node("outside")
    for source, (address, port) in ((web, service.vip), (outside, (apis[0].ipv4, 8080))):
        with source.connect(address, port, timeout=5) as client:
            assert receive(client, 13) == b"220 welcome\r\n"
            client.sendall(b"HELO\r\n")
            assert receive(client, 6) == b"HELO\r\n"


def test_one_byte_is_forwarded_without_waiting_for_more(mesh):
    """A byte that could be the beginning of TLS waits for a handshake's time, no other does."""
    _, apis, _ = web_and_api(mesh, handshake_timeout="500ms")
    outside = mesh.node("outside")
    for byte in (b"x", b"\x16"):
        with outside.connect(apis[0].ipv4, 8080, timeout=5) as client:
            client.sendall(byte)
            assert receive(client, 7) == b"api-1\n" + byte


def test_a_pod_calls_itself_through_its_vip(mesh):
    _, apis, service = web_and_api(mesh)
    for address in (service.ipv4, service.ipv6):
        assert call(apis[0], address, 80) == "api-1"
    assert apis[0].proxy.metric("outrigger_self_calls_total") == 2
    assert call(apis[0], "127.0.0.1", 8080) == "api-1"  # never enters the mesh
    assert apis[0].proxy.metric("outrigger_self_calls_total") == 2


def test_a_pod_is_called_by_its_address(mesh):
    web, apis, _ = web_and_api(mesh)
    for address in (apis[0].ipv4, apis[0].ipv6):
        assert call(web, address, 8080) == "api-1"
    assert apis[0].proxy.metric("outrigger_connections_opened_total", direction="inbound",
                                source_identity=web.identity, tls="mutual") == 2


def test_a_machine_outside_is_called_in_plaintext(mesh):
    web = mesh.pod("web")
    outside = mesh.node("outside")
    outside.run_app("echo.py", "8080", "--name", "outside")
    for address in (outside.ipv4, outside.ipv6):
        assert call(web, address, 8080) == "outside"
    assert web.proxy.metric("outrigger_passthrough_total") == 2


def test_a_refused_connection_is_refused(mesh):
    """Nobody listens: the client of a redirected connection sees it end, and the log says why."""
    web = mesh.pod("web")
    outside = mesh.node("outside")
    with pytest.raises(ConnectionError):  # the reset may come before connect() has returned
        with web.connect(outside.ipv4, 9, timeout=5) as client:
            if client.recv(1) == b"":
                raise ConnectionError
    assert web.proxy.wait_for_event("connection_refused", reason="connect_failed")


def test_an_idle_connection_ends(mesh):
    web, apis, service = web_and_api(mesh, idle_timeout="1s")
    with web.connect(*service.vip, timeout=15) as client:
        client.sendall(b"x")
        assert receive(client, 7) == b"api-1\nx"
        try:
            assert client.recv(1) == b""
        except ConnectionResetError:
            pass
    # Both ends count the silence; the first to act resets the connection of the other.
    wait_until(lambda: any(pod.proxy.metric("outrigger_connections_ended_total",
                                            reason="idle_timeout") for pod in (web, *apis)),
               "the idle timeout to be counted")

"""Our gRPC client and server against the ecosystem's (Debian's python3-grpcio), both ways."""
import signal
import threading

import grpc
import pytest

from grpc_peers import (WAIT, Authority, EchoClient, EchoServer, PythonServer, Stub, detail_bytes,
                        settle)
from mesh import IS_SANITIZED, wait_until

UNICODE = "näh: 100 % kaputt ✓ 🛶"
MIB = 1 << 20
# What back-pressure may leave in memory; sanitizers keep what was freed, and shadow it.
HELD = 32 * MIB if IS_SANITIZED else 8 * MIB


# ---- Python's client, our server -----------------------------------------------------------------

@pytest.fixture
def server():
    with EchoServer() as echo:
        yield echo


@pytest.fixture
def stub(server):
    with Stub(server.target, options=[("grpc.max_receive_message_length", 8 * MIB)]) as python:
        yield python


@pytest.mark.parametrize("size", [0, 1, 5, 65535, 300000, 4 * MIB])
def test_our_server_echoes(stub, size):
    message = b"\x7f" * size
    assert stub.unary(message, timeout=WAIT) == message


def test_our_server_streams_both_ways(stub):
    sent = [bytes([n % 256]) * (n * 37) for n in range(500)]
    assert list(stub.bidi(iter(sent), timeout=WAIT)) == sent


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.value[0]],
                         ids=lambda code: code.name)
def test_our_server_fails_with_code_message_and_details(stub, code):
    with pytest.raises(grpc.RpcError) as failure:
        stub.fail(f"{code.value[0]} {UNICODE}".encode(), timeout=WAIT)
    assert failure.value.code() == code
    assert failure.value.details() == UNICODE
    assert detail_bytes(failure.value) == UNICODE.encode()


def test_our_server_names_the_unknown_method(stub):
    with pytest.raises(grpc.RpcError) as failure:
        stub.channel.unary_unary("/test.Echo/Nope")(b"", timeout=WAIT)
    assert failure.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert "/test.Echo/Nope" in failure.value.details()


def test_our_server_sees_the_deadline(stub):
    with pytest.raises(grpc.RpcError) as failure:
        stub.hang(b"", timeout=0.3)
    assert failure.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_our_server_limits_messages(stub):
    with pytest.raises(grpc.RpcError) as failure:
        stub.unary(bytes(4 * MIB + 1), timeout=WAIT)
    assert failure.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert str(4 * MIB + 1) in failure.value.details()
    assert stub.unary(b"goes on", timeout=WAIT) == b"goes on"


def test_our_server_refuses_compression(server):
    with Stub(server.target, options=[("grpc.default_compression_algorithm",
                                       grpc.Compression.Gzip)]) as stub:
        with pytest.raises(grpc.RpcError) as failure:
            stub.unary(b"a" * 10000, timeout=WAIT)
    assert failure.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_our_server_cannot_be_filled(server, stub):
    """A method that does not read: the client is stopped by its window, our memory stays."""
    before, sent = server.resident_bytes(), []

    def endless():
        while True:
            sent.append(1)
            yield bytes(100000)

    call = stub.hang_stream.future(endless())
    wait_until(lambda: len(sent) >= 3, "the client to send", WAIT)
    assert settle(lambda: len(sent), lambda: stub.unary(b"x", timeout=WAIT)) < 100
    assert server.resident_bytes() - before < HELD
    call.cancel()
    assert stub.unary(b"others go on", timeout=WAIT) == b"others go on"


def test_our_server_waits_for_a_slow_reader(server, stub):
    """200 MB for a client that reads one message in a while: queued to the limit, then stopped."""
    before = server.resident_bytes()
    messages = stub.source(b"2000 100000", timeout=3 * WAIT)
    assert len(next(messages)) == 100000
    held = settle(server.resident_bytes, lambda: stub.unary(b"x", timeout=WAIT))
    assert held - before < 64 * MIB
    assert sum(len(message) for message in messages) == 1999 * 100000


def test_our_server_drains():
    server = EchoServer()
    with Stub(server.target) as stub:
        requests, asked = threading.Semaphore(0), [b"one", b"two"]

        def talk():
            for message in asked:
                requests.acquire()
                yield message

        answers = stub.bidi(talk(), timeout=WAIT)
        requests.release()
        assert next(answers) == b"one"
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: refuses(server.target), "the server to stop listening", WAIT)
        requests.release()
        assert list(answers) == [b"two"]  # what was under way goes on
        server.close(None)


def refuses(target):
    with Stub(target) as stub:
        try:
            stub.unary(b"", timeout=0.5)
        except grpc.RpcError:
            return True
    return False


def test_our_server_spreads_clients_by_age():
    """Connections of 200 ms: GOAWAY after GOAWAY, and not one call fails."""
    with EchoServer(max_age_ms=200, max_age_grace_ms=5000) as server, Stub(server.target) as stub:
        peers = set()
        while len(peers) < 4:
            call = stub.unary.future(b"hello", timeout=WAIT)
            assert call.result() == b"hello"
            peers |= peer_ports(server)


def peer_ports(server):
    """The other ends of the connections that the server has now."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file][1:]
    local = f"0100007F:{server.port:04X}"
    return {row[2] for row in rows if row[1] == local and row[3] == "01"}


# ---- our client, Python's server -----------------------------------------------------------------

@pytest.fixture
def python_server():
    with PythonServer(options=[("grpc.max_receive_message_length", 8 * MIB)]) as server:
        yield server


@pytest.fixture
def client(python_server):
    with EchoClient(python_server.target, backoff_min_ms=50) as ours:
        yield ours


def test_our_client_calls(client):
    client.say("call 1 /test.Echo/Unary 10000", f"send 1 {UNICODE}", "done 1")
    client.wait_for("end 1 OK")
    assert UNICODE in client.wait_for("message 1")


def test_our_client_tells_its_deadline(client, python_server):
    client.say("call 1 /test.Echo/Unary 5000", "send 1 x", "done 1")
    client.wait_for("end 1 OK")
    assert 3 < python_server.deadlines[0] <= 5


def test_our_client_streams_both_ways(client):
    client.say("call 1 /test.Echo/Bidi 0")
    for n in range(50):
        client.say(f"send 1 number {n}")
        assert client.wait_for("message 1", count=n + 1).endswith(f"number {n}")
    client.say("done 1")
    client.wait_for("end 1 OK")


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.value[0]],
                         ids=lambda code: code.name)
def test_our_client_understands_failures(client, code):
    client.say("call 1 /test.Echo/Fail 10000", f"send 1 {code.value[0]} {UNICODE}", "done 1")
    name = code.name
    assert client.wait_for("end 1") == f"end 1 {name} {UNICODE}|{UNICODE}"


def test_our_client_keeps_its_deadline(client):
    client.say("call 1 /test.Echo/Hang 300", "send 1 x", "done 1")
    assert "DEADLINE_EXCEEDED" in client.wait_for("end 1")


def test_our_client_sends_big_messages(client):
    client.say("call 1 /test.Echo/Bidi 0", f"fill 1 5 {MIB}")
    client.wait_for("filled 1")
    client.say("done 1")
    client.wait_for("end 1 OK")
    assert client.count(f"message 1 {MIB} ") == 5


def test_our_client_limits_messages(client):
    client.say("call 1 /test.Echo/Source 0", f"send 1 1 {4 * MIB + 1}", "done 1")
    assert str(4 * MIB + 1) in client.wait_for("end 1 RESOURCE_EXHAUSTED")


def test_our_client_stops_a_server_while_it_is_paused(client, python_server):
    before = client.resident_bytes()
    client.say("call 1 /test.Echo/Source 0", "pause 1", "send 1 2000 100000", "done 1")
    wait_until(lambda: python_server.sent, "the server to send", WAIT)
    assert settle(lambda: python_server.sent, client.exchange) < 100 * 100000
    assert client.resident_bytes() - before < HELD
    client.say("resume 1")
    client.wait_for("end 1 OK", timeout=3 * WAIT)
    assert client.count("message 1 100000 ") == 2000


def test_our_client_waits_for_a_server_that_does_not_read(client, python_server):
    before = client.resident_bytes()
    client.say("call 1 /test.Echo/Slow 0", "fill 1 1000 100000")
    held = settle(client.resident_bytes, client.exchange)
    assert client.count("filled 1") == 0
    assert held - before < 64 * MIB  # of 100
    python_server.released.set()
    client.wait_for("filled 1", timeout=3 * WAIT)
    client.say("done 1")
    client.wait_for("end 1 OK", timeout=3 * WAIT)
    assert client.wait_for("message 1").endswith(" 100000000")


def test_our_client_comes_back_after_a_restart():
    server = PythonServer()
    with EchoClient(server.target, backoff_min_ms=50, backoff_max_ms=200) as client:
        client.say("call 1 /test.Echo/Unary 10000", "send 1 x", "done 1")
        client.wait_for("end 1 OK")
        client.say("call 2 /test.Echo/Hang 0", "send 2 x", "done 2")
        client.say("call 3 /test.Echo/Unary 10000", "send 3 x", "done 3")
        client.wait_for("end 3 OK")
        server.stop()
        assert client.wait_for("end 2").split()[2] in ("UNAVAILABLE", "CANCELLED")
        client.wait_for("disconnected")
        client.say("call 4 /test.Echo/Unary 0", "done 4")
        assert "Connection refused" in client.wait_for("end 4 UNAVAILABLE")
        client.say("call 5 /test.Echo/Unary 20000", "send 5 patient", "done 5")
        with PythonServer(port=server.port):
            client.wait_for("end 5 OK")
            client.wait_for("connected", count=2)


def test_our_client_follows_goaway():
    """A server that ages its connections; a call under way ends well, new calls take the new one."""
    options = [("grpc.max_connection_age_ms", 300), ("grpc.max_connection_age_grace_ms", 10000)]
    with PythonServer(options=options) as server, EchoClient(server.target) as client:
        client.say("call 0 /test.Echo/Bidi 0", "send 0 first")
        client.wait_for("message 0")
        n = 0
        while client.count("connected") < 4:
            n += 1
            client.say(f"call {n % 200 + 1} /test.Echo/Unary 10000", f"send {n % 200 + 1} x",
                       f"done {n % 200 + 1}")
            client.wait_for(f"end {n % 200 + 1} OK", count=(n - 1) // 200 + 1)
        client.say("send 0 last", "done 0")
        client.wait_for("end 0 OK")
        assert client.count("message 0") == 2
        assert client.count("end") == n + 1


# ---- TLS -----------------------------------------------------------------------------------------

@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def python_credentials(authority, account):
    _, _, chain, key = authority.issue(account)
    with open(authority.anchors, "rb") as file:
        return grpc.ssl_channel_credentials(file.read(), key, chain)


def test_python_calls_our_server_over_mutual_tls(authority):
    with EchoServer(**authority.options("server")) as server:
        options = [("grpc.ssl_target_name_override", "server.test")]
        with Stub(server.target, python_credentials(authority, "alice"), options) as stub:
            assert stub.who(b"", timeout=WAIT) == authority.identity("alice").encode()
            assert stub.unary(bytes(3 * MIB), timeout=WAIT) == bytes(3 * MIB)


def test_a_client_without_certificate_is_nobody(authority):
    with EchoServer(**authority.options("server")) as server:
        with open(authority.anchors, "rb") as file:
            credentials = grpc.ssl_channel_credentials(file.read())
        options = [("grpc.ssl_target_name_override", "server.test")]
        with Stub(server.target, credentials, options) as stub:
            assert stub.who(b"", timeout=WAIT) == b""


def python_tls_server(authority, account):
    _, _, chain, key = authority.issue(account)
    with open(authority.anchors, "rb") as file:
        return grpc.ssl_server_credentials([(key, chain)], file.read(), True)


def test_our_client_calls_python_over_mutual_tls(authority):
    with PythonServer(credentials=python_tls_server(authority, "server")) as server:
        options = authority.options("bob")
        with EchoClient(server.target, identity=authority.identity("server"), **options) as client:
            client.say("call 1 /test.Echo/Bidi 0", f"fill 1 3 {MIB}", "done 1")
            client.wait_for("end 1 OK")
            assert client.count(f"message 1 {MIB} ") == 3


def test_our_client_refuses_the_wrong_server(authority):
    with PythonServer(credentials=python_tls_server(authority, "mallory")) as server:
        options = authority.options("bob")
        with EchoClient(server.target, identity=authority.identity("server"), **options) as client:
            client.say("call 1 /test.Echo/Unary 0", "done 1")
            assert authority.identity("mallory") in client.wait_for("end 1 UNAVAILABLE")


def test_our_own_two_over_mutual_tls(authority):
    with EchoServer(**authority.options("server")) as server:
        options = authority.options("carol")
        with EchoClient(server.target, identity=authority.identity("server"), **options) as client:
            client.say("call 1 /test.Echo/Who 5000", "done 1")
            client.wait_for("end 1 OK")
            assert client.wait_for("message 1").split()[2] == str(len(authority.identity("carol")))
            client.say("renew", "call 2 /test.Echo/Unary 5000", "send 2 x", "done 2")
            client.wait_for("end 2 OK")
            client.wait_for("connected", count=2)


def test_plaintext_at_a_tls_port_ends_with_a_reason(authority):
    with EchoServer(**authority.options("server")) as server:
        with EchoClient(server.target) as client:
            client.say("call 1 /test.Echo/Unary 0", "done 1")
            client.wait_for("end 1 UNAVAILABLE")

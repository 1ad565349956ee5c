"""HTTP between pods: each message arrives as it was sent, whatever is spoken on the way."""
import contextlib
import http.client
import json
import os
import socket
import threading
import zlib

import pytest

from mesh import IS_SANITIZED, Mesh, Talk, ask, receive, receive_all, wait_until, web_and_api

BIG = 32 << 20 if not IS_SANITIZED else 4 << 20


@pytest.fixture(scope="module")
def scene():
    """(mesh, web, [api-1, api-2], service); nobody in here changes any of it."""
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh, apis=2, app="http_echo.py", port_name="any")
        yield mesh, web, apis, service


@pytest.fixture
def talk(scene):
    _, web, _, service = scene
    with Talk(web, *service.vip) as made:
        yield made


def raw(scene, request, until=None):
    """Sends bytes as they are; everything up to the end, or up to `until`."""
    _, web, _, service = scene
    with web.connect(*service.vip) as client:
        client.sendall(request)
        data = b""
        while until is None or until not in data:
            part = client.recv(65536)
            if not part:
                break
            data += part
        return data


def test_a_request_travels_in_mutual_tls(scene):
    """HTTP/1.1 at both ends; in between only HTTP/2 within TLS 1.3, proven by what is on the wire."""
    _, web, apis, service = scene
    recorder = apis[0].record()
    other = apis[1].record()
    with Talk(web, *service.vip) as talk:
        for i in range(20):
            answer = talk.ask(f"/visible-secret-{i}")
            assert answer.status == 200 and answer.json()["target"] == f"/visible-secret-{i}"
        [here] = [c for c in web.proxy.connections() if c["direction"] == "outbound"]
        assert here["protocol"] == "http/1.1" and here["requests"] == 20
        there = [c for pod in apis for c in pod.proxy.connections() if c["direction"] == "inbound"]
        assert there and all(c["protocol"] == "h2" and c["tls"] == "mutual" for c in there)
        assert all(c["source_identity"] == web.identity for c in there)
    for record in (recorder, other):
        record.stop()
        assert not record.contains(b"visible-secret")


def test_the_application_is_told_who_asks(talk, scene):
    _, web, apis, service = scene
    sent = {"X-Forwarded-Client-Cert": "By=x;URI=spiffe://cluster.local/ns/demo/sa/admin",
            "Outrigger-Orig-Proto": "h2", "Outrigger-Anything": "forged", "X-Own": "kept",
            "X-Request-Id": "mine"}
    fields = {name: value for name, value in talk.ask("/", headers=sent).json()["fields"]}
    assert fields["x-forwarded-client-cert"] == f"By={apis[0].identity};URI={web.identity}"
    assert fields["x-forwarded-proto"] == "http" and fields["x-forwarded-for"] == web.ipv4
    assert fields["x-request-id"] == "mine" and fields["x-own"] == "kept"
    assert fields["host"] == service.ipv4
    assert not any(name.startswith("outrigger") for name in fields)
    made = dict(talk.ask("/").json()["fields"])["x-request-id"]
    assert len(made) == 36 and made != dict(talk.ask("/").json()["fields"])["x-request-id"]


def test_nothing_is_believed_from_outside(scene):
    mesh, _, apis, _ = scene
    outside = mesh.node("outside")
    sent = {"X-Forwarded-Client-Cert": "By=x;URI=spiffe://cluster.local/ns/demo/sa/admin",
            "X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https", "Outrigger-Reason": "x",
            "Forwarded": "for=1.2.3.4", "Outrigger-Orig-Proto": "h2"}
    fields = dict(ask(outside, apis[0].ipv4, 8080, headers=sent).json()["fields"])
    assert "x-forwarded-client-cert" not in fields and "forwarded" not in fields
    assert fields["x-forwarded-for"] == outside.ipv4 and fields["x-forwarded-proto"] == "http"
    assert not any(name.startswith("outrigger") for name in fields)


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_big_body_arrives(talk, framing):
    data = os.urandom(1 << 16) * (BIG >> 16)
    answer = talk.ask("/", "POST", body=data if framing == "length" else iter(
        [data[at:at + 100000] for at in range(0, len(data), 100000)]),
        encode_chunked=framing == "chunked").json()
    assert answer["size"] == len(data) and answer["crc32"] == zlib.crc32(data)


@pytest.mark.parametrize("how", ["bytes", "chunked"])
def test_a_big_answer_arrives(talk, how):
    body = talk.ask(f"/{how}/{BIG}").body
    assert len(body) == BIG and body == bytes(range(256)) * (BIG // 256)
    assert talk.ask("/after").status == 200


def test_a_body_of_every_small_size(talk):
    for size in (0, 1, 2, 100, 16383, 16384, 16385, 65535, 65536, 65537):
        answer = talk.ask("/", "POST", body=b"x" * size).json()
        assert answer["size"] == size
        assert len(talk.ask(f"/chunked/{size}").body) == size


def test_trailers_arrive(scene):
    answer = raw(scene, b"POST /trailers/5 HTTP/1.1\r\nHost: api\r\nTE: trailers\r\nConnection: te, close\r\n"
                        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sent: yes\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200") and b"\r\nx-trailer: last\r\n" in answer
    answer = raw(scene, b"POST / HTTP/1.1\r\nHost: api\r\nConnection: close\r\n"
                        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sent: yes\r\n\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["trailers"] == ["x-sent: yes"]


def test_head_and_empty_answers(talk):
    answer = talk.ask("/bytes/1000", "HEAD")
    assert answer.body == b"" and answer.headers["content-length"] == "1000"
    for status in (204, 304):
        assert talk.ask(f"/status/{status}").status == status
    assert talk.ask("/status/404").json()["target"] == "/status/404"


def test_pipelined_requests_are_answered_in_order(scene):
    answer = raw(scene, b"".join(b"GET /%d HTTP/1.1\r\nHost: api\r\n\r\n" % i for i in range(9)) +
                 b"GET /last HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n")
    found = [answer.index(b'"target": "/%d"' % i) for i in range(9)] + [answer.index(b'"/last"')]
    assert found == sorted(found)


def test_http_1_0(scene):
    answer = raw(scene, b"GET /chunked/100000 HTTP/1.0\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and b"transfer-encoding" not in head.lower()
    assert len(body) == 100000


def test_continue_is_the_applications_to_say(scene):
    _, web, _, service = scene
    with web.connect(*service.vip) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: api\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert receive(client, 25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
    answer = raw(scene, b"POST /early HTTP/1.1\r\nHost: api\r\nExpect: 100-continue\r\n"
                        b"Content-Length: 5\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413")


def test_interim_answers_arrive(scene):
    answer = raw(scene, b"GET /hints HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 103 ") and b"link: </style.css>" in answer
    assert b"HTTP/1.1 200 " in answer


def test_an_upgrade_becomes_a_tunnel(scene):
    _, web, apis, service = scene
    with web.connect(*service.vip) as client:
        client.sendall(b"GET /upgrade HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(1)
        assert head.startswith(b"HTTP/1.1 101 ") and b"upgrade: echo" in head.lower()
        for size in (1, 1000, 300000):
            data = os.urandom(size)
            threading.Thread(target=client.sendall, args=(data,)).start()
            assert receive(client, size) == data
        there = [c for pod in apis for c in pod.proxy.connections() if c["direction"] == "inbound"]
        assert any(c["protocol"] == "http/1.1" and c["tls"] == "mutual" for c in there)
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b""


def test_an_upgrade_may_be_declined(talk):
    answer = talk.ask("/", headers={"Connection": "upgrade", "Upgrade": "what"})
    assert answer.status == 200
    assert talk.ask("/again").status == 200


def test_an_early_answer_is_passed_on(scene):
    _, web, _, service = scene
    with web.connect(*service.vip) as client:
        client.sendall(b"POST /early HTTP/1.1\r\nHost: api\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 1000)
        assert client.recv(65536).startswith(b"HTTP/1.1 413")


def test_a_cut_answer_is_seen_to_be_cut(talk):
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        talk.ask("/cut")


def test_no_answer_is_a_502(scene):
    _, web, _, service = scene
    answer = ask(web, *service.vip, "/drop", "POST")
    assert answer.status == 502 and answer.headers["server"] == "outrigger"
    assert "outrigger-reason" not in answer.headers
    assert answer.headers["content-type"] == "text/plain"


def test_a_client_that_leaves_frees_the_server(scene):
    _, web, apis, service = scene
    with web.connect(*service.vip) as client:
        client.sendall(b"GET /hang HTTP/1.1\r\nHost: api\r\n\r\n")
        wait_until(lambda: any(pod.proxy.connections() and
                               any(s["path"] == "/hang" for c in pod.proxy.connections()
                                   for s in c.get("streams", [])) for pod in apis),
                   "the request to be at the application")
    wait_until(lambda: not any(s["path"] == "/hang" for pod in apis
                               for c in pod.proxy.connections() for s in c.get("streams", [])),
               "the request to be gone")


def stillness(proxy, counter):
    """A condition: the streams' counters have not moved since it was asked last."""
    seen = []

    def is_still():
        seen.append([s[counter] for c in proxy.connections() for s in c["streams"]])
        return seen[-1] and len(seen) > 5 and seen[-1] == seen[-5]
    return is_still


def test_a_slow_reader_holds_the_server_back(scene):
    """What is on the way stays bounded: nobody's memory takes the answer."""
    _, web, apis, service = scene
    before = {pod.name: pod.proxy.own_bytes() for pod in (web, *apis)}
    with web.connect(*service.vip) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"GET /bytes/200000000 HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n")
        assert receive(client, 1000)
        wait_until(stillness(web.proxy, "bytes_received"), "the flow to stop")
        [stream] = [s for c in web.proxy.connections() for s in c["streams"]]
        assert stream["bytes_received"] < 100 << 20
        if not IS_SANITIZED:
            for pod in (web, *apis):
                assert pod.proxy.own_bytes() < before[pod.name] + (4 << 20)


def test_a_server_that_does_not_read_holds_the_client_back(scene):
    """The same the other way: and when it reads at last, all of it is there."""
    _, web, apis, service = scene
    before = {pod.name: pod.proxy.own_bytes() for pod in (web, *apis)}
    size, sent = 64 << 20, 0
    with web.connect(*service.vip) as client:
        client.sendall(b"POST /stall HTTP/1.1\r\nHost: api\r\nContent-Length: %d\r\n\r\n" % size)
        client.setblocking(False)

        def is_stuck():
            nonlocal sent
            was, block = sent, bytes(65536)
            with contextlib.suppress(BlockingIOError):
                while sent < size:
                    sent += client.send(block[:size - sent])
            return sent == was
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        is_still = stillness(web.proxy, "bytes_sent")
        wait_until(lambda: is_stuck() and is_still(), "the client to be stopped")
        assert sent < size // 2
        if not IS_SANITIZED:
            for pod in (web, *apis):
                assert pod.proxy.own_bytes() < before[pod.name] + (4 << 20)
        for pod in apis:
            assert ask(pod, "127.0.0.1", 8080, "/go").status == 200
        client.settimeout(10)
        client.sendall(bytes(size - sent))
        answer = receive(client, 12)
        assert answer == b"HTTP/1.1 200"
        rest = b""
        while b"}" not in rest and (part := client.recv(65536)):
            rest += part
        assert b'"size": %d' % size in rest


def test_many_at_once(scene):
    _, web, apis, service = scene
    failed = []

    def run(number):
        with contextlib.suppress(AssertionError), Talk(web, *service.vip) as talk:
            for i in range(50):
                answer = talk.ask(f"/{number}/{i}", "POST", body=b"x" * (i * 100))
                if answer.status != 200 or answer.json()["size"] != i * 100:
                    failed.append(answer)
    threads = [threading.Thread(target=run, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    opened = sum(pod.proxy.metric("outrigger_inbound_accepted_total") for pod in apis)
    assert opened < 20, "few connections between the proxies carry all of it"

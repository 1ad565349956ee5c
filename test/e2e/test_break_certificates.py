"""Wrong certificates, against every door: the proxy's both sides and the controller."""
import socket
import ssl
import threading

import pytest

from mesh import Mesh, call, is_refused, wait_until, web_and_api
from mesh.wrong_certs import WrongCerts

SECRET = b"the launch code is 000000"


@pytest.fixture(scope="module")
def scene():
    with Mesh() as mesh:
        web, apis, service = web_and_api(mesh, connect_timeout="2s", handshake_timeout="2s")
        yield mesh, web, apis[0], service, WrongCerts(mesh.controller.state, mesh.folder)


def context_of(path, side, alpn):
    context = ssl.SSLContext(side)
    if side == ssl.PROTOCOL_TLS_CLIENT:
        context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([alpn])
    if path:
        context.load_cert_chain(path)
    return context


def speak(plain, path, alpn, message):
    """What a TLS client with that certificate gets; b"" for a refusal."""
    try:
        with plain, context_of(path, ssl.PROTOCOL_TLS_CLIENT, alpn).wrap_socket(plain) as client:
            client.sendall(message)
            return client.recv(100)
    except TimeoutError:
        raise
    except OSError:
        return b""


def test_a_client_with_a_wrong_certificate_does_not_reach_the_application(scene):
    mesh, web, api, _, certs = scene
    outside = mesh.node("outside")
    good = certs.make([web.identity])
    assert speak(outside.connect(api.ipv4, 8080, 5), good, "outrigger-tcp", b"x"), "the control"
    for what, path in {**certs.each(web.identity), "none at all": None}.items():
        before = len(api.proxy.events("connection_refused"))
        assert speak(outside.connect(api.ipv4, 8080, 5), path, "outrigger-tcp", SECRET) == b"", what
        wait_until(lambda n=before: len(api.proxy.events("connection_refused")) > n,
                   f"{what} to be told")
        event = api.proxy.events("connection_refused")[-1]
        assert event["reason"] == "peer_rejected" and event["error"], (what, event)
        if what in ("expired", "not yet valid"):  # as when a clock is wrong: which, must be told
            assert what in event["error"], event
        assert event["source"].startswith(outside.ipv4)
    assert call(web, *scene[3].vip) == "api-1"


def test_a_controller_does_not_answer_a_client_with_a_wrong_certificate(scene):
    mesh, web, _, service, certs = scene
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
    target = (mesh.controller.ipv4, 15010)
    good = certs.make([web.identity])
    assert speak(mesh.controller.connect(*target, 5), good, "h2", preface), "the control"
    for what, path in certs.each(web.identity).items():
        assert speak(mesh.controller.connect(*target, 5), path, "h2", preface) == b"", what
    mesh.controller.process.must_run()
    assert call(web, *service.vip) == "api-1"


class FalseServer:
    """Stands where an endpoint should be, with a certificate; what it is told ends in `heard`."""

    def __init__(self, pod, port, path):
        self.heard = b""
        self._context = context_of(path, ssl.PROTOCOL_TLS_SERVER, "outrigger-tcp")
        with pod.net.entered():
            self._listener = socket.create_server(("", port))
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                plain = self._listener.accept()[0]
            except OSError:
                return
            plain.settimeout(5)
            try:
                with plain, self._context.wrap_socket(plain, server_side=True) as client:
                    while data := client.recv(1 << 16):
                        self.heard += data
                        client.sendall(b"false\n" + data)
            except OSError:
                pass

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def test_no_byte_goes_to_a_server_with_a_wrong_certificate(scene):
    mesh, web, _, _, certs = scene
    # A pod with an identity by its manifest; no proxy stands before the false server.
    victim = mesh.pod("victim-1", ports={"tcp": 9000}, proxy=False, redirect=False, in_mesh=True)
    service = mesh.service("victim", {80: 9000})
    server = FalseServer(victim, 9000, certs.make([victim.identity]))
    wait_until(lambda: call(web, *service.vip, SECRET) == "false", "the control: a right one")
    server.close()
    wrong = certs.each(victim.identity)
    wrong["another's"] = certs.make([web.identity])
    with victim.record() as recorder:
        for what, path in wrong.items():
            server = FalseServer(victim, 9000, path)
            before = len(web.proxy.events("connection_refused"))
            try:
                assert is_refused(web, *service.vip, SECRET), what
                assert server.heard == b"", what
            finally:
                server.close()
            wait_until(lambda n=before: len(web.proxy.events("connection_refused")) > n,
                       f"{what} to be told")
            event = web.proxy.events("connection_refused")[-1]
            assert event["reason"] == "peer_rejected" and event["service"] == "demo/victim", event
            assert what not in ("expired", "not yet valid") or what in event["error"], event
    assert not recorder.contains(SECRET), "nor in plaintext"

"""Hostile HTTP/2 clients, of the mesh and outside of it: what they do ends or is bounded, it is said why,
and whoever else is served does not notice."""
import contextlib
import ssl
import threading
import time

import pytest

from h2_peer import (CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS,
                     INTERNAL_ERROR, PADDED, PING, PRIORITY, REFUSED_STREAM, RST_STREAM, SETTINGS, WINDOW_UPDATE, Peer,
                     frame, literal, number, request)
from mesh import IS_SANITIZED, Mesh, wait_until
from xds import TlsRelay, certify

MIB = 1 << 20
MAX_STREAMS = 100  # the proxy's default
MAX_WORK = 2 * MAX_STREAMS
STALL = "2s"  # a stream that does not move is given up after it
PATIENCE = 1.0  # seconds that anybody else may have to wait


# -- the scene ------------------------------------------------------------------------------------

class Neighbour(threading.Thread):
    """Asks one thing after the other on a connection of its own; looks at the proxies' memory."""

    def __init__(self, peer, proxies):
        super().__init__(daemon=True)
        self._peer, self._is_over = peer, threading.Event()
        self._before = {proxy: proxy.own_bytes() for proxy in proxies}
        self.grown_bytes = 0  # at most, of one proxy
        self.statuses, self.slowest = [], 0.0
        self.problem = None

    def run(self):
        try:
            while not self._is_over.is_set() or not self.statuses:
                start = time.monotonic()
                self.statuses.append(self._peer.ask(path="/bytes/1000"))
                self.slowest = max(self.slowest, time.monotonic() - start)
                for proxy, before in self._before.items():
                    self.grown_bytes = max(self.grown_bytes, proxy.own_bytes() - before)
        except BaseException as problem:  # told by whoever joins
            self.problem = problem

    def finish(self):
        self._is_over.set()
        self.join(30)
        self._peer.close()
        assert self.problem is None, self.problem
        assert not self.is_alive() and set(self.statuses) == {200}, set(self.statuses)


class Scene:
    """web -> api, and a stranger with a certificate of the mesh but without a proxy."""

    def __init__(self, mesh):
        self.service = mesh.service("api", {"h2c": (80, 8080)})
        limits = {"stream_idle_timeout": STALL, "head_timeout": STALL}
        self.api = mesh.pod("api-1", ports={"h2c": 8080}, **limits)
        self.api.run_app("h2_app.py", "8080")
        self.web = mesh.pod("web", **limits)
        self.stranger = mesh.pod("stranger", proxy=False)
        self._context = self._credentials(mesh)
        self.proxies = self.web.proxy, self.api.proxy

    def _credentials(self, mesh):
        with open(mesh.token("demo", "stranger"), encoding="ascii") as file:
            token = file.read().strip()
        with open(mesh.controller.anchors_file, encoding="ascii") as file:
            anchors = file.read()
        host, port = mesh.controller.address.rsplit(":", 1)
        with mesh.controller.net.entered():
            relay = TlsRelay((host, int(port)), anchors)
        credentials = certify(relay, token)
        relay.close()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # the name is a SPIFFE ID
        context.load_verify_locations(cadata=anchors)
        context.set_alpn_protocols(["outrigger-h2"])
        path = f"{mesh.folder}/stranger.pem"
        with open(path, "w", encoding="ascii") as file:
            file.write(credentials.key_pem + credentials.chain_pem)
        context.load_cert_chain(path)
        return context

    def connect(self, side, settings=()):
        """A Peer of the listener, and whose it is."""
        if side == "outbound":
            peer, proxy = Peer(self.web.connect(*self.service.vip), settings), self.web.proxy
        else:
            tls = self._context.wrap_socket(self.stranger.connect(self.api.ipv4, 8080))
            assert tls.selected_alpn_protocol() == "outrigger-h2"
            peer, proxy = Peer(tls, settings), self.api.proxy
        peer.wait(lambda: peer.n_frames, "the proxy's SETTINGS")
        return peer, proxy

    def proxy(self, side):
        return self.web.proxy if side == "outbound" else self.api.proxy

    def neighbour(self):
        """With a first answer: its way is known and open."""
        peer, _ = self.connect("outbound")
        assert peer.ask(path="/bytes/1000") == 200
        return Neighbour(peer, self.proxies)


@pytest.fixture(scope="module", name="scene")
def made_scene():
    with Mesh() as mesh:
        yield Scene(mesh)


@pytest.fixture(params=["outbound", "inbound"], name="side")
def listener(request):
    return request.param


def ended_for(proxy, reason):
    return proxy.metric("outrigger_connections_ended_total", reason=reason)


@contextlib.contextmanager
def attacked(scene, side, reason=None, most_mib=8, settings=()):
    """The hostile peer. At the end: nobody else has noticed, no proxy has grown by more than `most_mib`, and
    when a `reason` is named the connection has ended for it, counted and in the log."""
    neighbour = scene.neighbour()
    peer, proxy = scene.connect(side, settings)
    said = "connection_closed" if reason == "idle_timeout" else "connection_broken"
    before = ended_for(proxy, reason), len(proxy.events(said, reason=reason))
    neighbour.start()
    try:
        peer.neighbour = neighbour
        yield peer
        if reason:
            peer.wait_ended()
            peer.close()
            wait_until(lambda: ended_for(proxy, reason) == before[0] + 1, "the reason to be counted")
            wait_until(lambda: len(proxy.events(said, reason=reason)) > before[1],
                       "the reason in the log")
    finally:
        peer.close()
        neighbour.finish()
    if not IS_SANITIZED:
        assert neighbour.grown_bytes < most_mib * MIB
        assert neighbour.slowest < PATIENCE
    wait_until(lambda: proxy.metric("outrigger_requests_open") == 0, "all of its requests to end")


# -- frames that do nothing -----------------------------------------------------------------------

def opened(peer):
    """A request whose body does not end."""
    return peer.open(method="POST", path="/slow", ends=False)


def nothing(peer):
    return frame(DATA, 0, opened(peer))


def only_padding(peer):
    return frame(DATA, PADDED, opened(peer), bytes([100]) + bytes(100))


def goaway(peer):
    opened(peer)  # or the connection would end: there is nothing left to do
    return frame(GOAWAY, 0, 0, bytes(8))


def heads_too_late(peer):
    stream = opened(peer)
    peer.send(number(WINDOW_UPDATE, stream, 0x7FFFFFFF))
    peer.wait(lambda: stream in peer.resets, "the reset")
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, literal("x", "y"))


FLOODS = {
    "SETTINGS": lambda peer: frame(SETTINGS, 0, 0, bytes([0, 3, 0, 0, 0, 9])),
    "empty SETTINGS": lambda peer: frame(SETTINGS),
    "PING": lambda peer: frame(PING, 0, 0, b"12345678"),
    "answers to no PING": lambda peer: frame(PING, 1, 0, b"12345678"),
    "empty DATA": nothing,
    "DATA of padding": only_padding,
    "PRIORITY": lambda peer: frame(PRIORITY, 0, 2001, bytes([0, 0, 0, 3, 7])),
    "WINDOW_UPDATE": lambda peer: number(WINDOW_UPDATE, 0, 1),
    "WINDOW_UPDATE of a stream": lambda peer: number(WINDOW_UPDATE, opened(peer), 1),
    "GOAWAY": goaway,
    "heads on a stream that was reset": heads_too_late,
    "unknown frames": lambda peer: frame(0x42, 0, 0, b"what is this?"),
}


@pytest.mark.parametrize("what", FLOODS)
def test_floods(scene, side, what):
    with attacked(scene, side, "glitches") as peer:
        flood = FLOODS[what](peer) * 1000
        wait_until(lambda: not peer.send(flood) or peer.goaways, "the proxy to have had enough")
        assert peer.goaways == [ENHANCE_YOUR_CALM], peer


@pytest.mark.parametrize("what", ["SETTINGS", "PING"])
def test_floods_of_who_does_not_read(scene, side, what):
    with attacked(scene, side, "glitches") as peer:
        flood = FLOODS[what](peer) * 1000
        wait_until(lambda: not peer.send(flood, reads=False), "the proxy to have had enough")


# -- resets ---------------------------------------------------------------------------------------

def inbound_requests(scene):
    return scene.api.proxy.metric("outrigger_inbound_requests_total")


def test_rapid_reset(scene, side):
    """CVE-2023-44487."""
    with attacked(scene, side, "glitches") as peer:
        before = inbound_requests(scene)
        for _ in range(20000):
            stream = peer.new_id()
            if not peer.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, request(path="/slow")),
                             number(RST_STREAM, stream, 8)) or peer.goaways:
                break
        # nghttp2, which counts where a proxy speaks for many, calls it an error of its own.
        assert set(peer.goaways) <= {ENHANCE_YOUR_CALM, INTERNAL_ERROR} and peer.goaways, peer
        asked = inbound_requests(scene) - before - len(peer.neighbour.statuses)
    # Who comes through a proxy of the mesh is ended there; a proxy itself may reset for many clients.
    assert asked < 1000 if side == "outbound" else asked < 12000


PROVOKED = {
    "window overflow": lambda stream: number(WINDOW_UPDATE, stream, 0x7FFFFFFF),
    "trailers that do not end": lambda stream: frame(HEADERS, END_HEADERS, stream, literal("x", "y")),
    "malformed trailers": lambda stream: frame(HEADERS, END_HEADERS | END_STREAM, stream,
                                               literal("Upper", "y")),
    "more than its length": lambda stream: frame(DATA, 0, stream, b"far too much"),
}


def provoke(peer, block, then=lambda stream: b""):
    """Opens streams and makes the proxy reset them, until it has had enough."""
    for _ in range(200):
        streams = [peer.open(block, ends=False) for _ in range(50)]
        peer.send(*map(then, streams))
        if peer.is_ended or peer.goaways:
            break
        peer.wait(lambda: peer.goaways or peer.resets.keys() >= set(streams), "the resets")
    assert peer.goaways == [ENHANCE_YOUR_CALM], peer
    assert 20 <= len(peer.resets) <= 100


@pytest.mark.parametrize("what", PROVOKED)
def test_made_you_reset(scene, side, what):
    """CVE-2025-8671: it is the proxy that resets the streams."""
    with attacked(scene, side, "glitches") as peer:
        provoke(peer, request(("content-length", "5"), method="POST"), PROVOKED[what])


def test_malformed_requests_by_the_thousand(scene, side):
    with attacked(scene, side, "glitches") as peer:
        provoke(peer, request(("connection", "close")))


# -- breaches -------------------------------------------------------------------------------------

PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR, COMPRESSION_ERROR = 1, 3, 5, 6, 9
BREACHES = {
    "a frame on a half-closed stream": (STREAM_CLOSED, lambda peer: frame(DATA, 0, peer.open(), b"x")),
    "a frame beyond the frame size": (FRAME_SIZE_ERROR, lambda peer: frame(DATA, 0, 1, bytes(16385))),
    "a window update of nothing": (PROTOCOL_ERROR,
                                   lambda peer: number(WINDOW_UPDATE, opened(peer), 0)),
    "PRIORITY of a wrong length": (FRAME_SIZE_ERROR, lambda peer: frame(PRIORITY, 0, 1, b"1234")),
    "a stream that depends on itself": (PROTOCOL_ERROR,
                                        lambda peer: frame(PRIORITY, 0, 1, b"\0\0\0\1\7")),
    "more streams than may be": (PROTOCOL_ERROR, lambda peer: b"".join(
        frame(HEADERS, END_HEADERS, peer.new_id(), request(method="POST"))
        for _ in range(MAX_STREAMS + 1))),
    "connection window overflow": (FLOW_CONTROL_ERROR, lambda peer: number(WINDOW_UPDATE, 0, 0x7FFFFFFF)),
    "broken HPACK": (COMPRESSION_ERROR, lambda peer: frame(HEADERS, END_HEADERS, 1, b"\xff" * 20)),
    "a table beyond the size": (COMPRESSION_ERROR,
                                lambda peer: frame(HEADERS, END_HEADERS, 1, b"\x3f\xff\xff\xff\x7f")),
    "even streams": (PROTOCOL_ERROR, lambda peer: frame(HEADERS, END_HEADERS | END_STREAM, 2, request())),
    "DATA on no stream": (PROTOCOL_ERROR, lambda peer: frame(DATA, 0, 0, b"x")),
}


@pytest.mark.parametrize("what", BREACHES)
def test_breaches_end_the_connection(scene, side, what):
    error, make = BREACHES[what]
    with attacked(scene, side, "malformed") as peer:
        peer.send(make(peer))
        peer.wait_ended()
        assert peer.goaways == [error]


# -- heads ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("piece", [b"", b"x", literal("x", "y" * 100) * 100], ids=["empty", "a byte", "full"])
def test_continuation_flood(scene, side, piece):
    """CVE-2024-27316: a head without end."""
    with attacked(scene, side, "glitches") as peer:
        stream = peer.new_id()
        peer.send(frame(HEADERS, END_STREAM, stream, request()))
        flood = frame(CONTINUATION, 0, stream, piece) * 100
        wait_until(lambda: not peer.send(flood) or peer.goaways, "the proxy to have had enough")
        peer.wait_ended()


def test_a_head_that_does_not_end(scene, side):
    with attacked(scene, side, "malformed") as peer:
        peer.send(frame(HEADERS, END_STREAM, peer.new_id(), request()))
        peer.wait_ended()
        assert peer.goaways == [ENHANCE_YOUR_CALM]


def repeated(name, value, times):
    """A field that stands once in the table, and a byte for each time that it is meant."""
    size = len(value) - 127
    return b"\x40" + bytes([len(name)]) + name + b"\x7f" + bytes([size & 127 | 128, size >> 7]) + value + \
        b"\xbe" * times


BOMBS = {
    "48 MB in 16 KiB": request() + repeated(b"x", bytes(b"v" * 4000), 12000),
    "few and large fields": request() + repeated(b"x", b"v" * 1000, 100),
    "many fields": request(*((f"x-{i}", "y") for i in range(500))),
    "crumbs of cookies": request() + repeated(b"cookie", b"c=" + b"1" * 130, 5000),
}


@pytest.mark.parametrize("what", BOMBS)
def test_header_bombs(scene, side, what):
    with attacked(scene, side) as peer:
        for _ in range(200):
            stream = peer.open(BOMBS[what])
            peer.wait(lambda: stream in peer.ended or stream in peer.resets, "what becomes of it")
            assert peer.statuses.get(stream, 431) == 431, peer


# -- patience -------------------------------------------------------------------------------------

def test_windows_that_stay_shut(scene, side):
    """A hundred answers that nobody takes: each is given up after a while, and takes no room until then."""
    with attacked(scene, side, most_mib=16, settings={4: 0}) as peer:
        streams = [peer.open(path="/bytes/400000") for _ in range(MAX_STREAMS)]
        peer.wait(lambda: len(peer.resets) == MAX_STREAMS, "all of them to be given up")
        assert set(peer.resets) == set(streams) and not peer.bytes


def test_answers_that_are_not_read(scene, side):
    """The windows are open, but the socket is not read."""
    settings = {4: 0x7FFFFFFF}
    with attacked(scene, side, "idle_timeout", most_mib=16, settings=settings) as peer:
        proxy, before = scene.proxy(side), ended_for(scene.proxy(side), "idle_timeout")
        peer.send(number(WINDOW_UPDATE, 0, 0x7FFF0000 - 65535),
                  *(frame(HEADERS, END_HEADERS | END_STREAM, peer.new_id(), request(path="/bytes/400000"))
                    for _ in range(MAX_STREAMS)), reads=False)
        wait_until(lambda: ended_for(proxy, "idle_timeout") > before, "the proxy to have had enough")


def test_streams_that_are_held(scene, side):
    """As many as may be open, and nothing said on them."""
    with attacked(scene, side) as peer:
        held = {opened(peer) for _ in range(MAX_STREAMS)}
        peer.wait(lambda: peer.ended | set(peer.resets) >= held, "them to be given up")

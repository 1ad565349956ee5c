"""An HTTP/2 client that sends what it likes: frames by name, or bytes."""
import select
import socket
import ssl
import struct
import time

import hpack
from hyperframe.frame import (DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, RstStreamFrame,
                              SettingsFrame)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
ACK = END_STREAM = 1
END_HEADERS, PADDED = 4, 8
INTERNAL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 2, 7, 8, 11
AGAIN = BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError


def frame(kind, flags=0, stream=0, body=b""):
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


def number(kind, stream, value):
    """WINDOW_UPDATE, RST_STREAM."""
    return frame(kind, 0, stream, struct.pack(">I", value))


def literal(name, value):
    """An HPACK literal that is not put into the table; both may be anything below 127 bytes."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def request(*more, method="GET", path="/"):
    """A header block that needs no table."""
    return b"".join(literal(*field) for field in (
        (":method", method), (":scheme", "http"), (":authority", "api"), (":path", path), *more))


class Peer:
    """`sock` is connected, and its TLS handshake is over."""

    def __init__(self, sock, settings=()):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        self._sock, self._arrived, self._replies = sock, b"", b""
        self._decoder = hpack.Decoder()
        self._next_id = -1
        self.is_ended = False
        self.statuses, self.resets, self.bytes = {}, {}, {}  # each by stream
        self.ended = set()                                   # streams
        self.goaways = []                                    # error codes
        self.n_frames = 0
        self.send(PREFACE, SettingsFrame(0, dict(settings)).serialize())

    # -- sending ------------------------------------------------------------------------------

    def new_id(self):
        self._next_id += 2
        return self._next_id

    def send(self, *pieces, reads=True):
        """Until everything has gone or the connection has ended; False: it has."""
        data = memoryview(self._take_replies() + b"".join(pieces))
        while data and not self.is_ended:
            if reads:
                self.read()
            try:
                data = data[self._sock.send(data):]
            except AGAIN:
                self._select(reads, True, 10)
            except OSError:
                self.read()  # what it had to say before
                self.is_ended = True
        return not self.is_ended

    def _take_replies(self):
        """To SETTINGS and PING; they must not come in the middle of another frame."""
        replies, self._replies = self._replies, b""
        return replies

    def open(self, block=None, ends=True, **fields):
        """Sends HEADERS; returns the stream's number."""
        stream = self.new_id()
        self.send(frame(HEADERS, END_HEADERS | (END_STREAM if ends else 0), stream,
                        request(**fields) if block is None else block))
        return stream

    # -- receiving ----------------------------------------------------------------------------

    def _select(self, reads, writes, timeout):
        self._sock.fileno() >= 0 and select.select(
            [self._sock] if reads else [], [self._sock] if writes else [], [], timeout)

    def read(self):
        """What has arrived."""
        while not self.is_ended:
            try:
                data = self._sock.recv(1 << 16)
            except AGAIN:
                return
            except OSError:
                data = b""
            self.is_ended = not data
            self._arrived += data
            self._parse()

    def _parse(self):
        at = 0
        while len(self._arrived) - at >= 9:
            head, size = Frame.parse_frame_header(memoryview(self._arrived[at:at + 9]))
            if len(self._arrived) - at < 9 + size:
                break
            head.parse_body(memoryview(self._arrived[at + 9:at + 9 + size]))
            at += 9 + size
            self.n_frames += 1
            self._take(head)
        self._arrived = self._arrived[at:]

    def _take(self, got):
        stream = got.stream_id
        if isinstance(got, HeadersFrame):
            fields = dict(self._decoder.decode(got.data))
            if self.statuses.get(stream, 0) < 200:  # none yet, or one that informs
                self.statuses[stream] = int(fields.get(":status", 0))
        elif isinstance(got, DataFrame):
            self.bytes[stream] = self.bytes.get(stream, 0) + len(got.data)
        elif isinstance(got, RstStreamFrame):
            self.resets[stream] = got.error_code
        elif isinstance(got, GoAwayFrame):
            self.goaways.append(got.error_code)
        elif isinstance(got, SettingsFrame) and "ACK" not in got.flags:
            self._replies += frame(SETTINGS, ACK)
        elif isinstance(got, PingFrame) and "ACK" not in got.flags:
            self._replies += frame(PING, ACK, 0, bytes(got.opaque_data))
        if "END_STREAM" in got.flags:
            self.ended.add(stream)

    def wait(self, condition, what, timeout=20.0):
        """Reads until `condition()`; an end of the connection before is a failure."""
        deadline = time.monotonic() + timeout
        while True:
            self.read()
            self.send()
            if condition():
                return
            assert not self.is_ended, f"the connection ended before {what}: {self}"
            assert time.monotonic() < deadline, f"{what} did not come within {timeout:g} s: {self}"
            self._select(True, False, 0.2)

    def ask(self, **fields):
        """One whole exchange, with the connection's window given back; returns the status."""
        stream = self.open(**fields)
        self.wait(lambda: stream in self.ended or stream in self.resets, "the answer")
        assert stream not in self.resets, f"reset with {self.resets[stream]}"
        if taken := self.bytes.pop(stream, 0):
            self.send(number(WINDOW_UPDATE, 0, taken))
        return self.statuses.pop(stream)

    def wait_ended(self, timeout=20.0):
        self.wait(lambda: self.is_ended, "the end", timeout)

    def close(self):
        self._sock.close()

    def __repr__(self):
        return (f"{self.n_frames} frames, GOAWAY {self.goaways}, {len(self.statuses)} answers, "
                f"{len(self.resets)} resets {sorted(set(self.resets.values()))}")

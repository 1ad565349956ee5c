#!/usr/bin/python3
"""Writes the seeds of fuzz_h2_server and fuzz_h2_client: frames made by hand, each with the two
bytes in front that the targets take their habits from."""
import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END, PADDED, END_HEADERS = 1, 8, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def block(*fields):
    """Literals without indexing, of less than 127 bytes each."""
    out = b""
    for field in fields:
        name, value = field.split("=", 1)
        out += b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
    return out


def headers(stream, *fields, end=True):
    return frame(HEADERS, END_HEADERS | (END if end else 0), stream, block(*fields))


GET = (":method=GET", ":scheme=http", ":authority=a", ":path=/")
POST = (":method=POST", ":scheme=http", ":authority=a", ":path=/p?q=1")


def data(stream, payload, end=False):
    return frame(DATA, END if end else 0, stream, payload)


def number(kind, stream, value):
    return frame(kind, 0, stream, struct.pack(">I", value))


ACK = frame(SETTINGS, 1, 0)
SERVER = {
    "get": ACK + headers(1, *GET, "x-a=b", "cookie=a=1", "cookie=b=2"),
    "post": ACK + headers(1, *POST, "content-length=5", end=False) + data(1, b"hello", True),
    "chunked": headers(1, *POST, end=False) + data(1, b"he") + data(1, b"llo") + data(1, b"", True),
    "trailers": headers(1, *POST, "te=trailers", end=False) + data(1, b"x") + headers(1, "x-sum=1"),
    "padded": headers(1, *POST, end=False) + frame(DATA, END | PADDED, 1, b"\2hi\0\0"),
    "connect": headers(1, ":method=CONNECT", ":authority=a:80", end=False) + data(1, b"tunnel"),
    "websocket": headers(1, ":method=CONNECT", ":protocol=websocket", *GET[1:], end=False) + data(1, b"ws"),
    "many": b"".join(headers(i, *GET) for i in range(1, 31, 2)),
    "rapid_reset": b"".join(headers(i, *GET) + number(RST, i, 8) for i in range(1, 61, 2)),
    "made_you_reset": b"".join(
        headers(i, *POST, end=False) + number(WINDOW, i, 0x7FFFFFFF) for i in range(1, 61, 2)),
    "pings": frame(PING, 0, 0, b"12345678") * 30,
    "windows": number(WINDOW, 0, 1) * 30,
    "priority": frame(PRIORITY, 0, 3, b"\0\0\0\1\7") + headers(1, *GET),
    "shut": frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0)) + headers(1, *GET) + number(WINDOW, 1, 3),
    "tables": frame(SETTINGS, 0, 0, struct.pack(">HI", 1, 0)) + frame(
        HEADERS, 5, 1, b"\x82\x86\x84\x41\x01a\x40\x01x\x01y") + frame(
        HEADERS, 5, 3, b"\x82\x86\x84\xbf\xbe"),
    "large": headers(1, *GET, *("x%d=%s" % (i, "v" * 100) for i in range(12))),
    "fields": headers(1, *GET, *("x=y" for _ in range(20)), end=False) + data(1, b"x"),
    "continuation": frame(HEADERS, END, 1, block(*GET[:2])) + frame(
        CONTINUATION, END_HEADERS, 1, block(*GET[2:])),
    "malformed": headers(1, *GET, "connection=close") + headers(3, *GET, "Upper=1") + headers(5, *GET[1:]),
    "short": headers(1, *POST, "content-length=9", end=False) + data(1, b"x", True),
    "goaway": headers(1, *GET) + frame(GOAWAY, 0, 0, bytes(8)),
    "breach": headers(1, *GET) + data(0, b"x"),
    "connect_without_port": headers(1, ":method=CONNECT", ":authority=a---", end=False),
    "unknown": frame(0x42, 0, 0, b"?") * 20 + headers(1, *GET) + frame(0xff, 0, 1),
    "padding": headers(1, *POST, end=False) + frame(DATA, PADDED, 1, b"\3\0\0\0") * 20,
    "stalled": frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0)) + b"".join(
        headers(i, *POST, end=False) + data(i, bytes(900)) * 8 for i in (1, 3, 5)),
}
OK = (":status=200",)
CLIENT = {
    "answer": ACK + headers(1, *OK, "content-length=2", end=False) + data(1, b"hi", True),
    "all": b"".join(headers(i, *OK, end=False) + data(i, b"hi", True) for i in (1, 3, 5, 7)),
    "informed": headers(1, ":status=100", end=False) + headers(1, ":status=103", "link=x", end=False)
    + headers(1, ":status=204"),
    "trailers": headers(3, *OK, end=False) + data(3, b"x") + headers(3, "grpc-status=0"),
    "head": headers(5, *OK, "content-length=9"),
    "upgraded": headers(7, *OK, end=False) + data(7, b"ws"),
    "early": headers(3, *OK) + number(RST, 3, 0),
    "refused": number(RST, 1, 7) + number(RST, 3, 13) + number(RST, 5, 0),
    "goaway": frame(GOAWAY, 0, 0, struct.pack(">II", 3, 0)) + headers(1, *OK) + headers(3, *OK),
    "lowered": frame(SETTINGS, 0, 0, struct.pack(">HI", 3, 1)) + headers(1, *OK),
    "pushed": frame(PUSH, END_HEADERS, 1, b"\0\0\0\2" + block(*GET)),
    "malformed": headers(1, ":status=101") + headers(3, ":status=99") + headers(5, "x=y"),
    "large": headers(1, *OK, *("x%d=%s" % (i, "v" * 100) for i in range(12))),
    "short": headers(1, *OK, "content-length=9", end=False) + data(1, b"x", True),
    "windows": number(WINDOW, 3, 0) + number(WINDOW, 1, 0x7FFFFFFF),
    "breach": headers(1, *OK) + data(0, b"x"),
    "unknown": frame(0x42, 0, 0, b"?") * 20 + headers(1, *OK) + frame(0xff, 0, 3),
    "held": headers(3, *OK, end=False) + data(3, bytes(16000)) * 4 + headers(1, *OK),
}
HABITS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 22)

for target, seeds in (("fuzz_h2_server", SERVER), ("fuzz_h2_client", CLIENT)):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    for i, (name, seed) in enumerate(seeds.items()):
        # SETTINGS first; every third in pieces of eight bytes
        front = bytes([1 | (2 if i % 3 == 2 else 0), HABITS[i % len(HABITS)]])
        (folder / name).write_bytes(front + seed)

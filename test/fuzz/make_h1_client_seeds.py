#!/usr/bin/python3
"""Writes the seeds of fuzz_h1_client: what a server answers, with the two bytes in front that the
target takes what is asked for (and the size of the pieces) and its habits from."""
import pathlib

GET, POST, HEAD, UPGRADE, PUT, CONNECT = range(6)
EARLY, TRAILERS, PAUSE, CUT, ECHO, NEVER, DRAIN, CLOSE = (1 << i for i in range(8))
PIECES = 8  # of four bytes
OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"Content-Length: 5\r\n\r\nhello"
CHUNKS = OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nframes"

SEEDS = {
    "get": (GET, 0, HELLO),
    "get_pieces": (GET | PIECES, 0, HELLO),
    "pipeline": (GET, 0, HELLO + HELLO),  # the second before it was asked for
    "chunks": (POST, PAUSE, CHUNKS + b"\r\n"),
    "trailers": (POST | PIECES, TRAILERS, CHUNKS + b"Grpc-Status: 0\r\n\r\n"),
    "bad_trailers": (POST, 0, CHUNKS + b"Content-Length: 0\r\nHost: b\r\n\r\n"),
    "head": (HEAD, 0, OK + b"Content-Length: 5\r\n\r\n"),
    "head_with_body": (HEAD, 0, HELLO),
    "switch": (UPGRADE, ECHO, SWITCH),
    "switch_pieces": (UPGRADE | PIECES, PAUSE, SWITCH),
    "switch_refused": (UPGRADE, ECHO, HELLO),
    "switch_not_asked": (GET, 0, SWITCH),
    "connect": (CONNECT, ECHO, OK + b"Content-Length: 3\r\n\r\ntunnel"),
    "connect_refused": (CONNECT, ECHO, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
    "early": (PUT, NEVER, b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"),
    "continue": (PUT, 0, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + HELLO),
    "many_hints": (GET, 0, b"HTTP/1.1 103 Early Hints\r\n\r\n" * 40),
    "until_close": (GET, ECHO, OK + b"\r\nall there is"),
    "old": (GET, 0, b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"),
    "close": (GET, 0, OK + b"Connection: close, x-hop\r\nX-Hop: 1\r\nContent-Length: 0\r\n\r\n"),
    "no_content": (GET, 0, b"HTTP/1.1 204 No Content\r\n\r\n" + b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "two_framings": (GET, 0, OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "two_lengths": (GET, 0, OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    "beyond": (GET, 0, HELLO + b"more"),
    "truncated": (GET, 0, HELLO[:-2]),
    "bad_chunk": (GET, 0, OK + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n"),
    "bad_chunk_end": (GET, 0, OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX\n0\r\n\r\n"),
    "large": (GET, 0, OK + b"X: " + b"v" * 1200 + b"\r\n\r\n"),
    "fields": (GET, 0, OK + b"X: y\r\n" * 20 + b"\r\n"),
    "folded": (GET, 0, OK + b"X: y\r\n z\r\n\r\n"),
    "cut": (GET, CUT, HELLO),
    "drain": (GET, DRAIN, HELLO),
    "owner_closes": (GET, CLOSE, HELLO),
    "nonsense": (GET, 0, b"\x16\x03\x01\x00\x05hello"),
}

folder = pathlib.Path(__file__).parent / "corpus" / "fuzz_h1_client"
folder.mkdir(parents=True, exist_ok=True)
for name, (asked, habits, answer) in SEEDS.items():
    (folder / name).write_bytes(bytes([asked, habits]) + answer)

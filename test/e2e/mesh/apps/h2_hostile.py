#!/usr/bin/python3
"""A server of HTTP/2 that answers each request with what its path names: floods, bombs, breaches."""
import asyncio
import contextlib

import hpack
import server
from hyperframe.frame import Frame, HeadersFrame, SettingsFrame

DATA, HEADERS, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 4, 5, 6, 7, 8, 9
END_STREAM, END_HEADERS, PADDED = 1, 4, 8
PREFACE_BYTES = 24
OK = b"\x88"  # :status 200, of the static table
HINTS = b"\x08\x03103"


def frame(kind, flags=0, stream=0, body=b""):
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


def head(stream, block=OK, flags=END_HEADERS):
    return frame(HEADERS, flags, stream, block)


# What is sent once, and what is then sent again and again until the client closes.
ANSWERS = {
    "/good": lambda s: (head(s, flags=END_HEADERS | END_STREAM), b""),
    "/pings": lambda s: (b"", frame(PING, 0, 0, b"12345678")),
    "/settings": lambda s: (b"", frame(SETTINGS)),
    "/unknown": lambda s: (b"", frame(0x42, 0, 0, b"?")),
    "/goaways": lambda s: (b"", frame(GOAWAY, 0, 0, (0x7FFFFFFF).to_bytes(4, "big") + bytes(4))),
    "/windows": lambda s: (b"", frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1")),
    "/empty": lambda s: (head(s), frame(DATA, 0, s)),
    "/padding": lambda s: (head(s), frame(DATA, PADDED, s, b"\3\0\0\0")),
    "/hints": lambda s: (b"", head(s, HINTS)),
    "/continuations": lambda s: (head(s, flags=0), frame(CONTINUATION, 0, s)),
    "/bomb": lambda s: (head(s, OK + b"\x40\x01x\x7f\xa1\x1e" + b"v" * 4000 + b"\xbe" * 12000), b""),
    "/push": lambda s: (frame(PUSH_PROMISE, END_HEADERS, s, b"\0\0\0\2\x82\x86\x84"), b""),
    "/overflow": lambda s: (frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"), b""),
    "/garbage": lambda s: (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * 9, b""),
}


async def requests(reader):
    """(stream, path) of each request."""
    decoder = hpack.Decoder()
    await reader.readexactly(PREFACE_BYTES)
    while True:
        got, size = Frame.parse_frame_header(memoryview(await reader.readexactly(9)))
        got.parse_body(memoryview(await reader.readexactly(size)))
        if isinstance(got, HeadersFrame):
            yield got.stream_id, dict(decoder.decode(got.data))[":path"]
        elif isinstance(got, SettingsFrame) and "ACK" not in got.flags:
            yield 0, "/acknowledge"


async def handle(reader, writer):
    writer.write(frame(SETTINGS))
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        async for stream, path in requests(reader):
            once, again = (frame(SETTINGS, 1), b"") if not stream else ANSWERS[path](stream)
            writer.write(once)
            while again and not reader.at_eof():
                writer.write(again * 100)
                await writer.drain()
                await asyncio.sleep(0)  # lets the reader see the end


if __name__ == "__main__":
    server.serve((server.parser(__doc__.splitlines()[0]).parse_args().port, handle))

#!/usr/bin/python3
"""Answers HTTP/1.1 requests with what it saw of them, as JSON; what the path says, it does.

    /status/N    answers with that status        /bytes/N     with so many bytes
    /chunked/N   the same in chunks              /trailers    chunked, with the trailer x-trailer
    /early       answers before it reads the body             /upgrade     101, then echoes
    /drop        closes without an answer        /cut         closes in the middle of one
    /hints       103, then 200                   /hang        does not answer
    /slow/MS     answers after so long           /raw/HEX     answers with these bytes, and closes
    /stall       reads the body when somebody has asked for /go
    /race        answers, and closes when another request comes on the connection

CONNECT: 200, then echoes. Anything else: the method, target, fields and the body's size and sum.
"""
import asyncio
import json
import zlib

import server


class Request:
    def __init__(self, method, target, version, fields):
        self.method, self.target, self.version, self.fields = method, target, version, fields

    def get(self, name):
        return next((value for key, value in self.fields if key.lower() == name), None)


async def read_request(reader):
    line = await reader.readline()
    if line.count(b" ") != 2:
        return None  # the end, or nothing that is for us
    method, target, version = line.decode("latin-1").split()
    fields = []
    while (line := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        fields.append((name, value.strip()))
    return Request(method, target, version, fields)


async def read_body(reader, request):
    """(size, crc32, trailers)"""
    size, total, trailers = 0, 0, []

    async def take(count):
        nonlocal size, total
        while count:
            data = await reader.read(min(count, 65536))
            if not data:
                raise asyncio.IncompleteReadError(b"", count)
            size, total, count = size + len(data), zlib.crc32(data, total), count - len(data)

    if request.get("transfer-encoding") == "chunked":
        while length := int((await reader.readline()).split(b";")[0], 16):
            await take(length)
            await reader.readexactly(2)
        while (line := await reader.readline()).strip():
            trailers.append(line.decode("latin-1").strip())
    else:
        await take(int(request.get("content-length") or 0))
    return size, total, trailers


def head(status, *fields):
    lines = [f"HTTP/1.1 {status} X"] + [f"{name}: {value}" for name, value in fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def write_bytes(writer, size, chunked, trailer=None):
    block = bytes(range(256)) * 256
    while size:
        data = block[:size]
        size -= len(data)
        writer.write(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
        await writer.drain()
    if chunked:
        writer.write(b"0\r\n" + (trailer or b"") + b"\r\n")


async def echo_tunnel(reader, writer, answer_head):
    writer.write(answer_head)
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def answer(options, reader, writer, request):
    """Returns whether the connection may be used again."""
    what, _, argument = request.target.strip("/").partition("/")
    if what == "upgrade":
        await echo_tunnel(reader, writer, head(101, ("Connection", "upgrade"),
                                               ("Upgrade", request.get("upgrade") or "none")))
        return False
    if request.method == "CONNECT":
        await echo_tunnel(reader, writer, head(200))
        return False
    if what == "early":
        writer.write(head(413, ("Content-Length", 0), ("Connection", "close")))
        return False
    if request.get("expect") == "100-continue":
        writer.write(head(100))
    if what == "go":
        options.go.set()
    if what == "stall":
        await options.go.wait()
    size, total, trailers = await read_body(reader, request)
    if what == "drop":
        return False
    if what == "cut":
        writer.write(head(200, ("Content-Length", 1000)) + b"x" * 10)
        return False
    if what == "raw":
        writer.write(bytes.fromhex(argument))
        return False
    if what == "hang":
        await reader.read(1)
        return False
    if what == "slow":
        await asyncio.sleep(int(argument) / 1000)
    if what == "hints":
        writer.write(head(103, ("Link", "</style.css>")))
    if what in ("bytes", "chunked", "trailers"):
        chunked = what != "bytes"
        length = int(argument or 0)
        writer.write(head(200, ("Transfer-Encoding", "chunked"), ("Trailer", "x-trailer"))
                     if chunked else head(200, ("Content-Length", length)))
        if request.method != "HEAD":
            await write_bytes(writer, length, chunked,
                              b"x-trailer: last\r\n" if what == "trailers" else None)
        return True
    body = json.dumps({"name": options.name, "method": request.method, "target": request.target,
                       "version": request.version, "fields": request.fields, "size": size,
                       "crc32": total, "trailers": trailers}).encode()
    status = int(argument) if what == "status" else options.always
    fields = [] if status in (204, 304) else [("Content-Length", len(body))]
    writer.write(head(status, ("Content-Type", "application/json"), ("X-App", options.name), *fields))
    if request.method != "HEAD" and fields:
        writer.write(body)
    if what == "race":
        await reader.read(1)
        return False
    return True


def main():
    parser = server.parser(__doc__.splitlines()[0])
    parser.add_argument("--always", type=int, default=200, metavar="STATUS", help="of all answers")
    options = parser.parse_args()
    options.go = asyncio.Event()
    counts = {"connections": 0}

    async def handle(reader, writer):
        counts["connections"] += 1
        print(f"connection {counts['connections']}", flush=True)
        while request := await read_request(reader):
            print(f"request {request.method} {request.target}", flush=True)
            if not await answer(options, reader, writer, request):
                return
            await writer.drain()

    server.serve((options.port, handle))


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""How many proxies one controller carries: opens N discovery streams, each its own TLS connection with
its own Workload and some Services and Endpoints, then changes a Service's endpoints and measures when
every stream has heard of it. Prints one line of JSON. Not part of `make bench`: N=10000 takes a
minute, most of it in this client's handshakes.

    test/bench/controller_streams.py [N] [--at-once 200] [--build build]
"""
import argparse
import asyncio
import json
import os
import resource
import ssl
import struct
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 4, 6, 8
TYPE = b"type.googleapis.com/outrigger.v1."
SERVICES = 5


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + \
        struct.pack(">I", stream) + payload


def head(path):
    """A request head in HPACK's plainest form: literals, neither indexed nor Huffman-coded."""
    fields = [(":method", "POST"), (":scheme", "https"), (":path", path), (":authority", "c"),
              ("te", "trailers"), ("content-type", "application/grpc")]
    return b"".join(b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) +
                    value.encode() for name, value in fields)


class Stream:
    """One proxy, as far as discovery sees it."""

    def __init__(self, load, number):
        self.load, self.number = load, number
        self.names_told, self.endpoints_told = set(), 0
        self._messages = b""

    def _message(self, kind, names=(), nonce=b""):
        from xds.wire import length_delimited
        node = length_delimited(1, length_delimited(1, f"load/p-{self.number}".encode()))
        body = node + length_delimited(2, TYPE + kind)
        body += b"".join(length_delimited(3, name.encode()) for name in names)
        body += length_delimited(6, nonce) if nonce else b""
        return frame(DATA, 0, 1, b"\0" + struct.pack(">I", len(body)) + body)

    async def run(self):
        from xds.client import DELTA
        reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self.load.port, ssl=self.load.context)
        self._writer.write(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, b"") +
            frame(HEADERS, 4, 1, head(DELTA)) +
            self._message(b"Workload", [f"load/p-{self.number}"]) +
            self._message(b"Service", [f"10.96.0.{i + 1}:80" for i in range(SERVICES)]) +
            self._message(b"Endpoints", [f"load/s-{i}/http" for i in range(SERVICES)]))
        try:
            while True:
                top = await reader.readexactly(9)
                payload = await reader.readexactly(int.from_bytes(top[:3], "big"))
                self._take(top[3], top[4], payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.load.lost += 1

    def _take(self, kind, flags, payload):
        if kind == SETTINGS and not flags & 1:
            self._writer.write(frame(SETTINGS, 1, 0, b""))
        elif kind == PING and not flags & 1:
            self._writer.write(frame(PING, 1, 0, payload))
        elif kind == DATA:
            self._messages += payload
            while len(self._messages) >= 5:
                size = struct.unpack(">I", self._messages[1:5])[0] + 5
                if len(self._messages) < size:
                    break
                self._response(self._messages[5:size])
                self._messages = self._messages[size:]
            update = struct.pack(">I", max(len(payload), 1))
            self._writer.write(frame(WINDOW_UPDATE, 0, 0, update) +
                               frame(WINDOW_UPDATE, 0, 1, update))

    def _response(self, data):
        from xds.wire import fields
        response = fields(data)
        kind = response[4][0][len(TYPE):]
        for found in response.get(2, []):
            self.names_told.add(kind + b" " + fields(found)[3][0])
        self._writer.write(self._message(kind, nonce=response[5][0]))
        if kind == b"Endpoints":
            self.endpoints_told += 1
        if len(self.names_told) == 1 + 2 * SERVICES:
            self.load.complete.add(self.number)


class Load:
    def __init__(self, controller, credentials):
        self.port, self.lost, self.complete = controller.port, 0, set()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.load_verify_locations(cadata=controller.anchors)
        self.context.set_alpn_protocols(["h2"])
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(credentials.key_pem + credentials.chain_pem)
            file.flush()
            self.context.load_cert_chain(file.name)


def fill(folder, count):
    from mesh import manifests as objects
    import yaml
    documents = [objects.namespace("load"), objects.service_account("load", "p")]
    for i in range(count):
        documents.append(objects.pod("load", f"p-{i}", "p", {"app": f"s-{i % 1000}"}, {},
                                     [f"10.{1 + i // 65536}.{i // 256 % 256}.{i % 256}"],
                                     {"http": 8080}, has_proxy=True))
    loader = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    for start in range(0, len(documents), 500):
        folder.write(f"pods-{start}.yaml",
                     yaml.dump_all(documents[start:start + 500], Dumper=loader))
    for i in range(SERVICES):
        folder.put(objects.service("load", f"s-{i}", [f"10.96.0.{i + 1}"], {"http": (80, 8080)},
                                   {"app": f"s-{i}"}))


async def until(condition, what, timeout=300):
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {timeout} s for {what}")
        await asyncio.sleep(0.01)


async def measure(controller, load, count, gate):
    from mesh import manifests as objects
    rss, cpu = controller.process.resident_bytes(), controller.process.cpu_seconds()
    gate = asyncio.Semaphore(gate)
    streams, tasks = [Stream(load, i) for i in range(count)], []

    async def open_one(stream):
        async with gate:
            tasks.append(asyncio.create_task(stream.run()))
            await until(lambda: stream.number in load.complete or load.lost, "a stream")
    begun = time.monotonic()
    await asyncio.gather(*map(open_one, streams))
    opened = time.monotonic() - begun
    opened_cpu = controller.process.cpu_seconds() - cpu
    grown = controller.process.resident_bytes() - rss
    told = [stream.endpoints_told for stream in streams]
    cpu, begun = controller.process.cpu_seconds(), time.monotonic()
    controller.manifests.put(objects.pod("load", "late", "p", {"app": "s-0"}, {}, ["10.200.0.1"],
                                         {"http": 8080}, has_proxy=True))
    await until(lambda: all(stream.endpoints_told > before
                            for stream, before in zip(streams, told)), "the change to arrive")
    return {"streams": count, "lost": load.lost, "open_seconds": round(opened, 2),
            "open_cpu_ms_each": round(opened_cpu * 1000 / count, 3),
            "kib_each": round(grown / count / 1024, 1),
            "change_to_all_seconds": round(time.monotonic() - begun, 3),
            "change_cpu_ms": round((controller.process.cpu_seconds() - cpu) * 1000, 1)}


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("count", type=int, nargs="?", default=10000)
    arguments.add_argument("--at-once", type=int, default=200, help="streams opened at once")
    arguments.add_argument("--build", default="build")
    arguments = arguments.parse_args()
    os.environ["OUTRIGGER_BUILD"] = arguments.build
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    from xds import LocalController, certify
    controller = LocalController(max_connections=arguments.count + 100)
    fill(controller.manifests, arguments.count)
    with controller:
        load = Load(controller, certify(controller.relay(), controller.token("load", "p")))
        print(json.dumps(asyncio.run(
            measure(controller, load, arguments.count, arguments.at_once))))


if __name__ == "__main__":
    main()

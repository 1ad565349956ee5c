#!/usr/bin/python3
"""An API as an application would have it: it answers every path with who it is, who asks and for what, as JSON.

A request with `x-takes: MS` takes so long. On SIGTERM it does what well-behaved servers do: it accepts
no more connections, finishes what it has begun, closes what is idle, and ends.
"""
import asyncio
import json
import signal

import server
from http_echo import head, read_body, read_request


class Api:
    """`open` holds the writer of each connection, and whether a request is being answered on it."""

    def __init__(self, name):
        self.name = name
        self.open = {}
        self.ending = asyncio.Event()

    async def handle(self, reader, writer):
        self.open[writer] = False
        try:
            while not self.ending.is_set() and (request := await read_request(reader)):
                self.open[writer] = True
                await self.answer(reader, writer, request)
                await writer.drain()
                self.open[writer] = False
        finally:
            del self.open[writer]

    async def answer(self, reader, writer, request):
        size, _, _ = await read_body(reader, request)
        if takes := request.get("x-takes"):
            await asyncio.sleep(int(takes) / 1000)
        body = json.dumps({"name": self.name, "method": request.method, "target": request.target,
                           "size": size, "caller": request.get("x-forwarded-client-cert"),
                           "traceparent": request.get("traceparent")}).encode()
        fields = [("Content-Type", "application/json"), ("Content-Length", len(body))]
        if self.ending.is_set():
            fields.append(("Connection", "close"))
        writer.write(head(200, *fields) + body)

    async def end(self, listening):
        listening.close()
        for writer, is_busy in self.open.items():
            if not is_busy:
                writer.close()
        while self.open:
            await asyncio.sleep(0.01)


async def run(options):
    api = Api(options.name)
    listening = await server.listen(options.port, api.handle)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, api.ending.set)
    print(f"listening on {options.port}", flush=True)
    await api.ending.wait()
    await api.end(listening)


if __name__ == "__main__":
    asyncio.run(run(server.parser(__doc__.splitlines()[0]).parse_args()))

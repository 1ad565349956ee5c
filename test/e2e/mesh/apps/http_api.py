#!/usr/bin/python3
"""An API as an application would have it: it answers every path with who it is, who asks and for what, as JSON.

A request with `x-takes: MS` takes so long. On SIGTERM it does what well-behaved servers do: it goes on
until nobody has asked for a moment, with `Connection: close` in each answer, and ends then. (Who
closes at once may have a request in its hands that it has not read: nobody can tell whether it has.)
"""
import asyncio
import json
import signal
import time

import server
from http_echo import head, read_body, read_request


QUIET_SECONDS, QUIET_AT_MOST_SECONDS = 0.2, 5


class Api:
    def __init__(self, name):
        self.name = name
        self.ending, self.has_come = asyncio.Event(), asyncio.Event()
        self.n_open = 0  # requests that are being answered

    async def handle(self, reader, writer):
        is_last = False
        while not is_last and (request := await read_request(reader)):
            self.has_come.set()
            self.n_open += 1
            try:
                is_last = await self.answer(reader, writer, request)
                await writer.drain()
            finally:
                self.n_open -= 1

    async def answer(self, reader, writer, request):
        size, _, _ = await read_body(reader, request)
        if takes := request.get("x-takes"):
            await asyncio.sleep(int(takes) / 1000)
        body = json.dumps({"name": self.name, "method": request.method, "target": request.target,
                           "size": size, "caller": request.get("x-forwarded-client-cert"),
                           "traceparent": request.get("traceparent")}).encode()
        fields = [("Content-Type", "application/json"), ("Content-Length", len(body))]
        is_last = self.ending.is_set()
        if is_last:
            fields.append(("Connection", "close"))
        writer.write(head(200, *fields) + body)
        return is_last

    async def wait_for_quiet(self):
        deadline = time.monotonic() + QUIET_AT_MOST_SECONDS
        while time.monotonic() < deadline:
            self.has_come.clear()
            try:
                await asyncio.wait_for(self.has_come.wait(), QUIET_SECONDS)
            except asyncio.TimeoutError:
                if self.n_open == 0:
                    return


async def run(options):
    api = Api(options.name)
    await server.listen(options.port, api.handle)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, api.ending.set)
    print(f"listening on {options.port}", flush=True)
    await api.ending.wait()
    await api.wait_for_quiet()


if __name__ == "__main__":
    asyncio.run(run(server.parser(__doc__.splitlines()[0]).parse_args()))

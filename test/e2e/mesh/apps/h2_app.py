#!/usr/bin/python3
"""Answers HTTP/2 requests (prior knowledge) with their body, "nothing" without one, or /bytes/N.

A request with trailers is answered with trailers. The fields of a request whose path begins with /fields are answered as lines of text.
"""
import asyncio

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import server

HEAD = [(":status", "200"), ("content-type", "application/octet-stream")]


class Connection:
    """What waits to be sent on each stream, as the client's windows allow."""

    def __init__(self, writer):
        self.writer = writer
        config = h2.config.H2Configuration(client_side=False, header_encoding="latin-1")
        self.h2 = h2.connection.H2Connection(config)
        self.waiting, self.ended, self.trailers = {}, set(), {}
        self.h2.initiate_connection()

    def push(self, stream):
        data = self.waiting.get(stream)
        while data:
            size = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size,
                       len(data))
            if size <= 0:
                return
            self.h2.send_data(stream, bytes(data[:size]))
            del data[:size]
        if data is not None and stream in self.ended:
            if stream in self.trailers:
                self.h2.send_headers(stream, self.trailers[stream], end_stream=True)
            else:
                self.h2.end_stream(stream)
            self.forget(stream)

    def forget(self, stream):
        self.waiting.pop(stream, None)
        self.ended.discard(stream)
        self.trailers.pop(stream, None)

    def answer(self, request):
        fields = dict(request.headers)
        path = fields[":path"]
        if fields[":method"] == "HEAD":
            return b""
        if path.startswith("/bytes/"):
            return bytes(int(path[7:]))
        if path.startswith("/fields"):
            return "".join(f"{name}: {value}\n" for name, value in request.headers).encode("latin-1")
        return b"nothing" if request.stream_ended else b""

    def on_event(self, event):
        stream = getattr(event, "stream_id", 0)
        if isinstance(event, h2.events.RequestReceived):
            self.h2.send_headers(stream, HEAD)
            self.waiting[stream] = bytearray(self.answer(event))
        elif isinstance(event, h2.events.DataReceived) and stream in self.waiting:
            self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
            self.waiting[stream] += event.data
        elif isinstance(event, h2.events.TrailersReceived):
            seen = ",".join(f"{name}={value}" for name, value in event.headers)
            self.trailers[stream] = [("x-seen", seen), ("x-last", "too")]
        elif isinstance(event, h2.events.StreamEnded):
            self.ended.add(stream)
        for waiting in list(self.waiting):
            self.push(waiting)

    async def flush(self):
        if data := self.h2.data_to_send():
            self.writer.write(data)
            await self.writer.drain()


async def handle(reader, writer):
    connection = Connection(writer)
    await connection.flush()
    while data := await reader.read(65536):
        try:
            events = connection.h2.receive_data(data)
        except h2.exceptions.ProtocolError as problem:
            print(f"protocol error: {problem!r}", flush=True)
            await connection.flush()
            return
        # Those that have been reset are gone for the library, whatever came before.
        gone = {event.stream_id for event in events if isinstance(event, h2.events.StreamReset)}
        for stream in gone:
            connection.forget(stream)
        for event in events:
            if getattr(event, "stream_id", 0) not in gone:
                connection.on_event(event)
        await connection.flush()


if __name__ == "__main__":
    server.serve((server.parser(__doc__.splitlines()[0]).parse_args().port, handle))

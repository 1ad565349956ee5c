#!/usr/bin/python3
"""Reads nothing until it is told to: a connection to --control lets every connection read on.

Prints `held` for each connection that it holds and answers the number of bytes that it has read when
the client has finished.
"""
import asyncio

import server


def main():
    parser = server.parser(__doc__)
    parser.add_argument("--control", type=int, required=True, help="the port that lets it read")
    arguments = parser.parse_args()
    go = asyncio.Event()

    async def release(_reader, _writer):
        go.set()

    async def handle(reader, writer):
        writer.transport.pause_reading()
        print("held", flush=True)
        await go.wait()
        writer.transport.resume_reading()
        count = 0
        while data := await reader.read(1 << 20):
            count += len(data)
        writer.write(f"{count}\n".encode())
        await writer.drain()

    # A small limit: asyncio must not take in what the application does not read.
    server.serve((arguments.port, handle), (arguments.control, release), limit=4096)


main()

#!/usr/bin/python3
"""What the applications share: listening on both families, one coroutine a connection."""
import argparse
import asyncio
import contextlib
import socket

BACKLOG = 4096  # a SYN that finds no room is sent again after a second at the earliest


def parser(description):
    """`port` and --name, to which an application adds its own."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("port", type=int)
    made.add_argument("--name", default="", help="what the application calls itself in answers")
    return made


def _bind(port):
    # Without the protocol asyncio does not see that it is TCP, and leaves Nagle on.
    sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", port))
    sock.setblocking(False)
    return sock


async def listen(port, handle, limit=65536):
    """A server that calls `handle(reader, writer)` for each connection, and closes it behind that."""
    async def on_connection(reader, writer):
        try:
            await handle(reader, writer)
        except ConnectionResetError:
            print("reset by the client", flush=True)
        except (BrokenPipeError, asyncio.IncompleteReadError):
            pass
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    return await asyncio.start_server(on_connection, sock=_bind(port), limit=limit, backlog=BACKLOG)


def serve(*handlers, limit=65536):
    """For each (port, handle) calls `handle(reader, writer)` for each connection.

    A connection is closed when its handle returns, not before, whoever has finished sending. `limit`
    is what asyncio reads ahead of the handle.
    """
    async def run():
        servers = [await listen(port, handle, limit) for port, handle in handlers]
        print(f"listening on {handlers[0][0]}", flush=True)
        await asyncio.gather(*(server.serve_forever() for server in servers))

    asyncio.run(run())

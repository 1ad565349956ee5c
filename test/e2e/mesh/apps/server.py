#!/usr/bin/python3
"""What the applications share: listening on both families, one coroutine a connection."""
import argparse
import asyncio
import contextlib
import socket


def parser(description):
    """`port` and --name, to which an application adds its own."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("port", type=int)
    made.add_argument("--name", default="", help="what the application calls itself in answers")
    return made


def listen(port, backlog=4096):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", port))
    sock.listen(backlog)
    sock.setblocking(False)
    return sock


def serve(port, handle):
    """Calls `handle(reader, writer)` for each connection; half-closed ones stay open until it returns."""

    async def on_connection(reader, writer):
        try:
            await handle(reader, writer)
        except ConnectionResetError:
            print("reset by the client", flush=True)
        except (BrokenPipeError, asyncio.IncompleteReadError):
            pass
        writer.close()
        with contextlib.suppress(ConnectionError, BrokenPipeError):
            await writer.wait_closed()

    async def run():
        server = await asyncio.start_server(on_connection, sock=listen(port))
        print(f"listening on {port}", flush=True)
        async with server:
            await server.serve_forever()

    asyncio.run(run())

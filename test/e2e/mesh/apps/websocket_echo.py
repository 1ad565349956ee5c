#!/usr/bin/python3
"""A WebSocket server that sends each message back, under /close ends after the first with code 4000."""
import argparse
import asyncio

import websockets


async def echo(connection, path):
    print(f"websocket {path} {connection.request_headers.get('x-forwarded-client-cert', '')}", flush=True)
    async for message in connection:
        await connection.send(message)
        if path == "/close":
            await connection.close(4000, "as asked")


async def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("port", type=int)
    options = parser.parse_args()
    async with websockets.serve(echo, None, options.port, max_size=1 << 24, ping_interval=None,
                                subprotocols=["echo.example"]):
        print(f"listening on {options.port}", flush=True)
        await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main())

#!/usr/bin/python3
"""A WebSocket client: sends messages of these sizes and judges what comes back; prints how it ended."""
import asyncio
import json
import os
import sys

import websockets


async def main():
    url, *sizes = sys.argv[1:]
    async with websockets.connect(url, max_size=1 << 24, ping_interval=None, compression="deflate",
                                  subprotocols=["other.example", "echo.example"]) as connection:
        right = 0
        for size in map(int, sizes):
            for message in (os.urandom(size), "text " * (size // 5)):
                await connection.send(message)
                right += await connection.recv() == message
                if url.endswith("/close"):
                    await connection.wait_closed()
                    break
        pong = None
        if connection.open:
            pong = await (await connection.ping()) is not None
    print(json.dumps({"right": right, "pong": pong, "code": connection.close_code,
                      "why": connection.close_reason, "subprotocol": connection.subprotocol}))


if __name__ == "__main__":
    asyncio.run(main())

#!/usr/bin/python3
"""Resets each connection: at once, or after --after bytes. Without --after it waits for one byte."""
import socket
import struct

import server


def main():
    parser = server.parser(__doc__)
    parser.add_argument("--after", type=int, default=1, help="bytes to read first; 0: at once")
    parser.add_argument("--say", default="", help="what to send before the reset")
    arguments = parser.parse_args()

    async def handle(reader, writer):
        if arguments.after:
            await reader.readexactly(arguments.after)
        if arguments.say:
            writer.write(arguments.say.encode())
            await writer.drain()
        sock = writer.transport.get_extra_info("socket")
        # Lingering for no time makes close() send RST.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    server.serve((arguments.port, handle))


main()

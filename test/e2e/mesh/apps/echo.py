#!/usr/bin/python3
"""Sends back what it gets; its name first, as a line, if it has one. Ends after the client's FIN."""
import server


def main():
    arguments = server.parser(__doc__).parse_args()

    async def handle(reader, writer):
        if arguments.name:
            data = await reader.read(65536)
            if not data:
                return
            writer.write(arguments.name.encode() + b"\n" + data)
            await writer.drain()
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

    server.serve((arguments.port, handle))


main()

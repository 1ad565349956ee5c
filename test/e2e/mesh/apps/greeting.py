#!/usr/bin/python3
"""The server speaks first (as MySQL and SMTP do): a greeting line, then it echoes."""
import server


def main():
    parser = server.parser(__doc__)
    parser.add_argument("--greeting", default="220 welcome")
    arguments = parser.parse_args()

    async def handle(reader, writer):
        writer.write(arguments.greeting.encode() + b"\r\n")
        await writer.drain()
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

    server.serve((arguments.port, handle))


main()

#!/usr/bin/python3
"""Says its piece and ends its sending side at once, then reads to the client's end and prints how much."""
import server


def main():
    parser = server.parser(__doc__)
    parser.add_argument("--say", default="goodbye\n")
    arguments = parser.parse_args()

    async def handle(reader, writer):
        writer.write(arguments.say.encode())
        writer.write_eof()
        count = 0
        while data := await reader.read(65536):
            count += len(data)
        print(f"read {count} after half-close", flush=True)

    server.serve((arguments.port, handle))


main()

#!/usr/bin/python3
"""Answers 101, then either side ends first: `client` counts its bytes up to FIN and says how many
there were; `server` says its last at once, ends, and prints how many bytes came behind."""
import server


def main():
    parser = server.parser(__doc__.splitlines()[0])
    parser.add_argument("who", choices=["client", "server"])
    options = parser.parse_args()

    async def handle(reader, writer):
        while (await reader.readline()).strip():
            pass
        writer.write(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        if options.who == "server":
            writer.write(b"the server's last")
            writer.write_eof()
        size = 0
        while data := await reader.read(65536):
            size += len(data)
        print(f"{size} bytes", flush=True)
        if options.who == "client":
            writer.write(b"%d bytes" % size)

    server.serve((options.port, handle))


if __name__ == "__main__":
    main()

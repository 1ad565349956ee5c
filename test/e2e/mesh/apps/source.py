#!/usr/bin/python3
"""Sends bytes for ever, or --bytes of them: a pattern that tells every position (8 bytes a word)."""
import struct

import server

WORDS = 8192


def main():
    parser = server.parser(__doc__)
    parser.add_argument("--bytes", type=int, default=0, help="how many; a multiple of 65536; 0: no end")
    arguments = parser.parse_args()

    async def handle(_reader, writer):
        word = 0
        while not arguments.bytes or word * 8 < arguments.bytes:
            writer.write(struct.pack(f"!{WORDS}Q", *range(word, word + WORDS)))
            await writer.drain()
            word += WORDS

    server.serve((arguments.port, handle))


main()

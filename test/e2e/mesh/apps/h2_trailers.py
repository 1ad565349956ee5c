#!/usr/bin/python3
"""One HTTP/2 request with trailers, POST /trailers; prints the answer with its trailers as JSON."""
import json
import socket
import sys

import h2.config
import h2.connection
import h2.events


def main():
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 10) as sock:
        made = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        made.initiate_connection()
        made.send_headers(1, [(":method", "POST"), (":scheme", "http"), (":authority", "api"),
                              (":path", "/trailers"), ("te", "trailers")])
        made.send_data(1, b"abc")
        made.send_headers(1, [("x-sent", "yes")], end_stream=True)
        seen = {"status": None, "body": "", "trailers": None}
        is_over = False
        while not is_over:
            sock.sendall(made.data_to_send())
            for event in made.receive_data(sock.recv(65536)):
                if isinstance(event, h2.events.ResponseReceived):
                    seen["status"] = dict(event.headers)[":status"]
                elif isinstance(event, h2.events.DataReceived):
                    seen["body"] += event.data.decode()
                elif isinstance(event, h2.events.TrailersReceived):
                    seen["trailers"] = dict(event.headers)
                is_over |= isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset))
    print(json.dumps(seen))


if __name__ == "__main__":
    main()

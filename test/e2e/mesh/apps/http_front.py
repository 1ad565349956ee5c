"""http_front.py PORT HOST:PORT: Python's http.server, which sends each request that it read on to another.

It reads heads as the standard library does, with its leniency; bodies by their length or chunks.
"""
import argparse
import http.client
import http.server
import socket


class Front(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream = None

    def __getattr__(self, name):
        """Every method is sent on."""
        if name.startswith("do_"):
            return self.forward
        raise AttributeError(name)

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def forward(self):
        body = self.read_body()
        connection = http.client.HTTPConnection(*self.upstream, timeout=10)
        try:
            connection.request(self.command, self.path, body=body, headers={"Host": self.headers["Host"]})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    request_queue_size = 128


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("upstream", help="HOST:PORT")
    arguments = parser.parse_args()
    host, _, port = arguments.upstream.rpartition(":")
    Front.upstream = host, int(port)
    server = Server(("::", arguments.port), Front)
    print("listening on", arguments.port)
    server.serve_forever()


main()

"""An application with something to probe: HTTP 8080, HTTPS 8443, gRPC health 9000, silence 7000.

Its health is a file, where the word "ill" may stand; what it was asked over HTTP is printed.
"""
import http.server
import pathlib
import socket
import ssl
import sys
import threading
import time
from concurrent import futures

import grpc

HEALTH, CERT, KEY = (pathlib.Path(word) for word in sys.argv[1:])


def is_ill():
    return "ill" in HEALTH.read_text(encoding="ascii")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        print("asked", self.path, self.headers.get("Host"), self.headers.get("X-Probe"), flush=True)
        if self.path == "/slow":
            time.sleep(30)
        if self.path == "/early":
            self.send_response_only(103)
            self.end_headers()
        status = 503 if is_ill() else 302 if self.path == "/moved" else 200
        body = b"secret" * 20000 if self.path == "/large" else b"secret"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET
    daemon_threads = True

    def handle_error(self, request, client_address):
        print("cut off", sys.exc_info()[1], flush=True)


class Health(grpc.GenericRpcHandler):
    def service(self, details):
        def check(request, context):
            if request not in (b"", b"\x0a\x04shop"):
                context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
            return b"\x08\x02" if is_ill() else b"\x08\x01"

        if details.method == "/grpc.health.v1.Health/Check":
            return grpc.unary_unary_rpc_method_handler(check)
        return None


def main():
    plain, secure = Server(("", 8080), Handler), Server(("", 8443), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERT, KEY)
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    for server in (plain, secure):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    rpc = grpc.server(futures.ThreadPoolExecutor(4))
    rpc.add_generic_rpc_handlers((Health(),))
    assert rpc.add_insecure_port("0.0.0.0:9000")
    rpc.start()
    silent = socket.create_server(("", 7000))
    print("listening", flush=True)
    kept = []
    while True:
        kept.append(silent.accept())


main()

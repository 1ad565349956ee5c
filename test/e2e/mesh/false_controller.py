"""A controller that has the right certificate and the wrong manners."""
import os
import select
import socket
import ssl
import threading
from concurrent import futures

import grpc

from .topology import CONTROLLER_PORT

_DELTA = "envoy.service.discovery.v3.AggregatedDiscoveryService"
IDENTITY = "ns/outrigger-system/sa/outrigger-controller"


class FalseController:
    """Stands at the controller's address, which must be free. `behave(tls)` is called with
    each connection, in a thread of its own, after the handshake. `connections` counts them."""

    def __init__(self, mesh, certs, behave):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._context.set_alpn_protocols(["h2"])
        self._context.load_cert_chain(certs.make([f"spiffe://{mesh.trust_domain}/{IDENTITY}"]))
        self._behave, self._open, self.connections = behave, [], 0
        with mesh.controller.net.entered():
            self._listener = socket.create_server(("", CONTROLLER_PORT))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                plain = self._listener.accept()[0]
            except OSError:
                return
            self._open.append(plain)
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain):
        plain.settimeout(20)
        try:
            with self._context.wrap_socket(plain, server_side=True) as tls:
                self.connections += 1
                self._behave(tls)
        except (OSError, ValueError):
            pass

    def close(self):
        for sock in [self._listener, *self._open]:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Discovery:
    """A `behave` that is a gRPC server: answer(request bytes) gives the responses' bytes."""

    def __init__(self, folder, answer):
        self.requests = []
        self._path = os.path.join(folder, "false-controller.socket")

        def serve(requests, _context):
            for request in requests:
                self.requests.append(request)
                yield from answer(request)

        method = grpc.stream_stream_rpc_method_handler(serve)
        self._server = grpc.server(futures.ThreadPoolExecutor(8))
        self._server.add_generic_rpc_handlers((
            grpc.method_handlers_generic_handler(_DELTA, {"DeltaAggregatedResources": method}),))
        self._server.add_insecure_port(f"unix:{self._path}")
        self._server.start()

    def __call__(self, tls):
        with socket.socket(socket.AF_UNIX) as near:
            near.connect(self._path)
            tls.settimeout(0)
            while True:
                ready = select.select([near, tls], [], [])[0]
                if near in ready:
                    data = near.recv(1 << 16)
                    if not data:
                        return
                    tls.settimeout(5)
                    tls.sendall(data)
                    tls.settimeout(0)
                try:
                    while tls in ready:
                        data = tls.recv(1 << 16)
                        if not data:
                            return
                        near.sendall(data)
                except ssl.SSLWantReadError:
                    pass

    def close(self):
        self._server.stop(None)

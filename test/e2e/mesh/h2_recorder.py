"""An HTTP/2 application (prior knowledge) that believes nothing: what a proxy sends it must be well-formed
by the measure of the library h2. It answers each request with 200, once all of it is there."""
import socket
import threading

import h2.config
import h2.connection
import h2.events
import h2.exceptions


class Seen:
    """A request as it came. `fields` are pairs of bytes, without the pseudo-fields."""

    def __init__(self, fields):
        pseudo = {name: value.decode("latin-1") for name, value in fields if name.startswith(b":")}
        self.method, self.target = pseudo[b":method"], pseudo[b":path"]
        self.authority = pseudo.get(b":authority")
        self.fields = [field for field in fields if not field[0].startswith(b":")]
        self.size, self.trailers = 0, []

    def get(self, name):
        return next((value for key, value in self.fields if key == name), None)

    def all(self, name):
        return [value for key, value in self.fields if key == name]

    def __str__(self):
        return f"{self.method} {self.target} {self.size}"


class H2Recorder:
    """Listens in a node's namespace until close()."""

    def __init__(self, node, port):
        self._lock = threading.Lock()
        self._seen, self.problems = [], []
        with node.net.entered():
            self._listener = socket.create_server(("::", port), family=socket.AF_INET6,
                                                  dualstack_ipv6=True, backlog=512)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock = self._listener.accept()[0]
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        config = h2.config.H2Configuration(client_side=False, header_encoding=None)
        connection = h2.connection.H2Connection(config)
        connection.initiate_connection()
        open_requests = {}
        with sock:
            try:
                sock.sendall(connection.data_to_send())
                while data := sock.recv(65536):
                    for event in connection.receive_data(data):
                        self._take(connection, open_requests, event)
                    sock.sendall(connection.data_to_send())
            except h2.exceptions.ProtocolError as problem:
                self.problems.append(repr(problem))
            except OSError:
                pass

    def _take(self, connection, open_requests, event):
        stream = getattr(event, "stream_id", None)
        if isinstance(event, h2.events.RequestReceived):
            open_requests[stream] = Seen([(bytes(name), bytes(value)) for name, value in event.headers])
        elif isinstance(event, h2.events.DataReceived):
            open_requests[stream].size += len(event.data)
            connection.acknowledge_received_data(event.flow_controlled_length, stream)
        elif isinstance(event, h2.events.TrailersReceived):
            open_requests[stream].trailers = event.headers
        elif isinstance(event, h2.events.StreamReset):
            open_requests.pop(stream, None)
        elif isinstance(event, h2.events.StreamEnded):
            with self._lock:
                self._seen.append(open_requests.pop(stream))
            connection.send_headers(stream, [(":status", "200")], end_stream=True)

    def take(self):
        """The whole requests since the last call."""
        with self._lock:
            seen, self._seen = self._seen, []
        return seen

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

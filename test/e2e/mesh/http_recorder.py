"""An HTTP/1.1 application that keeps every byte and believes nothing: what a proxy writes to it must
be one clear message after the other. It answers each with `METHOD TARGET SIZE`."""
import re
import socket
import threading

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_LINE = re.compile(rb"(" + _TOKEN + rb") ([!-~\x80-\xff]+) (HTTP/1\.[01])\Z")
_FIELD = re.compile(rb"(" + _TOKEN + rb"):[ \t]*((?:[!-~\x80-\xff](?:[ \t!-~\x80-\xff]*[!-~\x80-\xff])?)?)[ \t]*\Z")
_LENGTH = re.compile(rb"(?:0|[1-9][0-9]*)\Z")
_CHUNK = re.compile(rb"[0-9a-fA-F]{1,8}\Z")
_NOT_AGAIN = {b"host", b"content-length", b"transfer-encoding", b"expect"}


class Seen:
    """A request as it came. `fields` are pairs of lower-case names and values."""

    def __init__(self, head):
        lines = head.split(b"\r\n")
        match = _LINE.match(lines[0])
        if not match:
            raise ValueError(f"not a request line: {lines[0]!r}")
        self.method, self.target, self.version = (part.decode("latin-1") for part in match.groups())
        self.fields, self.body, self.trailers = self._fields(lines[1:]), b"", []
        names = [name for name, _ in self.fields]
        for name in _NOT_AGAIN:
            if names.count(name) > 1:
                raise ValueError(f"twice {name!r}: {head!r}")
        if b"host" not in names:
            raise ValueError(f"no Host: {head!r}")
        if b"content-length" in names and b"transfer-encoding" in names:
            raise ValueError(f"two framings: {head!r}")

    @staticmethod
    def _fields(lines):
        fields = []
        for line in lines:
            match = _FIELD.match(line)
            if not match:
                raise ValueError(f"not a field: {line!r}")
            fields.append((match.group(1).lower(), match.group(2)))
        return fields

    def get(self, name):
        return next((value for key, value in self.fields if key == name), None)

    def all(self, name):
        return [value for key, value in self.fields if key == name]

    def __str__(self):
        return f"{self.method} {self.target} {len(self.body)}"


class _Reader:
    def __init__(self, sock, kept):
        self.sock, self.kept, self.waiting = sock, kept, b""

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        self.kept += data
        self.waiting += data

    def until(self, end):
        while end not in self.waiting:
            if re.search(rb"(?<!\r)\n|\r[^\n]|\0", self.waiting):
                raise ValueError(f"bare CR, bare LF or NUL: {self.waiting[:200]!r}")
            self.more()
        part, _, self.waiting = self.waiting.partition(end)
        return part

    def take(self, size):
        while len(self.waiting) < size:
            self.more()
        part, self.waiting = self.waiting[:size], self.waiting[size:]
        return part

    def chunks(self):
        while True:
            size = self.until(b"\r\n")
            if not _CHUNK.match(size):
                raise ValueError(f"not a chunk size: {size!r}")
            if int(size, 16) == 0:
                return
            yield self.take(int(size, 16))
            if self.take(2) != b"\r\n":
                raise ValueError("a chunk that does not end")

    def body(self, request):
        length, coding = request.get(b"content-length"), request.get(b"transfer-encoding")
        if coding is not None:
            if coding != b"chunked":
                raise ValueError(f"coding {coding!r}")
            request.body = b"".join(self.chunks())
            while line := self.until(b"\r\n"):
                request.trailers += Seen._fields([line])
        elif length is not None:
            if not _LENGTH.match(length):
                raise ValueError(f"length {length!r}")
            request.body = self.take(int(length))


class HttpRecorder:
    """Listens in a node's namespace. Use it as a context manager, or close() it."""

    def __init__(self, node, port, answers=None):
        """`answers` are bytes by target: after them the connection ends."""
        self._answers = answers or {}
        self._lock = threading.Lock()
        self._seen, self.problems, self.kept = [], [], []
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
        kept = bytearray()
        self.kept.append(kept)
        reader = _Reader(sock, kept)
        with sock:
            try:
                while True:
                    self._exchange(sock, reader)
            except ValueError as problem:
                self.problems.append(str(problem))
            except (EOFError, OSError):
                pass

    def _exchange(self, sock, reader):
        request = Seen(reader.until(b"\r\n\r\n"))
        if request.get(b"expect") == b"100-continue":
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        reader.body(request)
        with self._lock:
            self._seen.append(request)
        if request.target in self._answers:
            sock.sendall(self._answers[request.target])
            sock.shutdown(socket.SHUT_WR)
            raise EOFError
        body = f"{request}\n".encode("latin-1")
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        sock.sendall(head if request.method == "HEAD" else head + body)

    def take(self):
        """The whole requests since the last call."""
        with self._lock:
            seen, self._seen = self._seen, []
        return seen

    def contains(self, needle):
        return any(needle in kept for kept in self.kept)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

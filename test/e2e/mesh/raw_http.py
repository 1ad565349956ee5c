"""HTTP/1.1 by hand: bytes out, and what is answered until the other side closes."""


class Answered:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    def __repr__(self):
        return f"{self.status} {self.body[:80]!r}"


def _chunked(data):
    body = b""
    while True:
        line, mark, data = data.partition(b"\r\n")
        if not mark:
            raise EOFError("in a chunk")
        size = int(line, 16)
        if size == 0:
            while not data.startswith(b"\r\n"):
                _, mark, data = data.partition(b"\r\n")
                if not mark:
                    raise EOFError("in trailers")
            return body, data[2:]
        body, data = body + data[:size], data[size + 2:]


def answers(data, methods=()):
    """[Answered] of a server's bytes, the last by its end; `methods` are of the requests, in order.
    1xx are left out."""
    found = []
    while data:
        head, mark, data = data.partition(b"\r\n\r\n")
        if not mark:
            raise EOFError(f"in the head {head!r}")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        fields = {name.lower(): value.strip() for name, _, value in
                  (line.partition(":") for line in lines[1:])}
        if status < 200:
            continue
        body = b""
        is_head = len(found) < len(methods) and methods[len(found)] == "HEAD"
        if is_head or status in (204, 304):
            pass
        elif fields.get("transfer-encoding") == "chunked":
            body, data = _chunked(data)
        else:
            size = int(fields.get("content-length", len(data)))
            if len(data) < size:
                raise EOFError(f"in a body of {size}")
            body, data = data[:size], data[size:]
        found.append(Answered(status, fields, body))
    return found


def ask(sock, data):
    """Sends everything and returns everything that comes until the other side closes. A reset is an
    end as well: whoever refuses need not have read all of it."""
    received = bytearray()
    try:
        sock.sendall(data)
    except ConnectionError:
        pass
    try:
        while part := sock.recv(65536):
            received += part
    except ConnectionError:
        pass
    return bytes(received)

"""A small HTTP client: for admin ports, inside a namespace, and for applications that talk."""
import http.client
import json
import socket


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.text[:200]!r}"


def request(namespace, host, port, path, method="GET", headers=None, body=None, timeout=5.0):
    with namespace.entered():
        sock = socket.create_connection((host, port), timeout)
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    connection.sock = sock
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


class Talk:
    """One HTTP/1.1 connection of an application in a pod, kept alive between requests."""

    def __init__(self, source, address, port, timeout=10.0):
        self.connection = http.client.HTTPConnection(address, port, timeout=timeout)
        self.connection.sock = source.connect(address, port, timeout)
        # Whoever closes it must not be connected to anew behind the test's back, outside of the pod.
        self.connection.auto_open = 0

    def ask(self, path="/", method="GET", headers=None, body=None, **options):
        self.connection.request(method, path, body=body, headers=headers or {}, **options)
        response = self.connection.getresponse()
        return Answer(response.status, {key.lower(): value for key, value in response.getheaders()},
                      response.read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()


def ask(source, address, port, path="/", method="GET", headers=None, body=None, **options):
    """One request on a connection of its own."""
    with Talk(source, address, port) as talk:
        return talk.ask(path, method, headers, body, **options)


def parse_metrics(text):
    """Prometheus text as {(name, frozenset of label pairs): value}."""
    found = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        series, _, value = line.rpartition(" ")
        name, _, labels = series.partition("{")
        found[name, frozenset(_pairs(labels.rstrip("}")))] = float(value)
    return found


def _pairs(labels):
    at = 0
    while at < len(labels):
        equals = labels.index("=", at)
        name, end, value = labels[at:equals], equals + 2, ""
        while labels[end] != '"':
            if labels[end] == "\\":
                end += 1
                value += {"n": "\n"}.get(labels[end], labels[end])
            else:
                value += labels[end]
            end += 1
        yield name, value
        at = end + 2

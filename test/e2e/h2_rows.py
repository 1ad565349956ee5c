"""Rows of HTTP/2 strictness (RFC 9113): the frames of one request, and what becomes of it.

Its stream is REFUSED (reset, or answered with 400 or 431, and the connection goes on), the CONNECTION ends with
GOAWAY, or the application sees it as `METHOD TARGET SIZE`.
"""
from h2_peer import CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, frame

REFUSED, CONNECTION = "refused", "connection"
PSEUDO = ((b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/h2"))
POST = ((b":method", b"POST"), *PSEUDO[1:])
ROWS = []


class Row:
    def __init__(self, rfc, name, frames, expected, lacks=(), has=()):
        self.rfc, self.name, self.frames, self.expected = rfc, name, frames, expected
        self.lacks = lacks  # names of fields that the application must not see
        self.has = has      # (name, value) that it must see

    def __repr__(self):
        return self.name


def size(length, prefix=127):
    """An HPACK integer."""
    if length < prefix:
        return bytes([length])
    data, length = bytes([prefix]), length - prefix
    while length >= 128:
        data, length = data + bytes([length % 128 + 128]), length // 128
    return data + bytes([length])


def block(*fields):
    """HPACK literals that are not put into the table; names and values may be any bytes."""
    return b"".join(b"\0" + size(len(name)) + name + size(len(value)) + value for name, value in fields)


def head(stream, *fields, ends=True):
    """HEADERS, with CONTINUATION where it is long."""
    data = block(*fields)
    pieces = [data[at:at + 16384] for at in range(0, len(data), 16384)] or [b""]
    flags = [0] * (len(pieces) - 1) + [END_HEADERS]
    flags[0] |= END_STREAM if ends else 0
    return b"".join(frame(CONTINUATION if at else HEADERS, flags[at], stream, piece) for at, piece in enumerate(pieces))


def add(rfc, name, fields, expected=REFUSED, **more):
    """A request that is only a head."""
    ROWS.append(Row(rfc, name, lambda stream: head(stream, *fields), expected, **more))


def add_body(rfc, name, fields, pieces, expected, trailers=None):
    """POST with DATA, and with trailers."""
    def frames(stream):
        datas = [frame(DATA, END_STREAM if trailers is None and at == len(pieces) - 1 else 0, stream, piece)
                 for at, piece in enumerate(pieces)]
        return head(stream, *POST, *fields, ends=False) + b"".join(datas) + \
            (head(stream, *trailers) if trailers is not None else b"")
    ROWS.append(Row(rfc, name, frames, expected))


def without(name):
    return tuple(field for field in PSEUDO if field[0] != name)


def instead(name, value):
    return tuple((field, value if field == name else old) for field, old in PSEUDO)


for left in (b":method", b":scheme", b":path"):
    add("RFC 9113 8.3.1", f"h2 without {left}", without(left))
for twice in PSEUDO:
    add("RFC 9113 8.3", f"h2 twice {twice[0]}", (*PSEUDO, twice))
for pseudo in (b":status", b":protocol", b":foo", b":", b":Path", b":host"):
    add("RFC 9113 8.3", f"h2 pseudo-field {pseudo}", (*PSEUDO, (pseudo, b"200")))
add("RFC 9113 8.3", "h2 pseudo-field behind a field", (*PSEUDO[:3], (b"x", b"y"), PSEUDO[3]))
add("RFC 9113 8.3.1", "h2 neither :authority nor host", without(b":authority"))
add("RFC 9113 8.3.1", "h2 host alone", (*without(b":authority"), (b"host", b"b")), "GET /h2 0")
add("RFC 9113 8.3.1", "h2 host as :authority", (*PSEUDO, (b"host", b"a")), "GET /h2 0")
add("RFC 9113 8.3.1", "h2 host unlike :authority", (*PSEUDO, (b"host", b"b")))
add("RFC 9113 8.3.1", "h2 two hosts", (*without(b":authority"), (b"host", b"a"), (b"host", b"b")))
for path in (b"", b"a", b"*", b"/a b", b"/\r\nX: y", b"/\0", b"/a#b", b"http://b/x", b"/\x7f", b"?a", b"/a\tb",
             b"/ HTTP/1.1\r\nHost: b\r\n\r\nGET /smuggled HTTP/1.1"):
    add("RFC 9113 8.2.1, 8.3.1", f"h2 path {path}", instead(b":path", path))
for method in (b"", b"G T", b"GET\r\n", b"G\0T", b"GET /smuggled HTTP/1.1\r\nX:", b"G@T", b"G\xc9T", b"GET\t", b"GET:"):
    add("RFC 9113 8.2.1, RFC 9110 9.1", f"h2 method {method}", instead(b":method", method))
for method in (b"PUT", b"get", b"M-SEARCH"):
    add("RFC 9110 9.1", f"h2 method {method}", instead(b":method", method), f"{method.decode()} /h2 0")
for scheme in (b"", b"http\r\nX: y", b"ht tp", b"http://b/?", b"1http", b"\xff"):
    add("RFC 9113 8.3.1", f"h2 scheme {scheme}", instead(b":scheme", scheme))
for host in (b"", b"a b", b"u@a", b"a/b", b"a\r\nX: y", b"a\0", b"a, b", b"a:x", b"a:80:81", b"[::1", b"a#b", b"a?b", b"a\\b"):
    add("RFC 9113 8.3.1, RFC 9110 7.2", f"h2 authority {host}", instead(b":authority", host))
add("RFC 9113 8.3.1", "h2 OPTIONS *", ((b":method", b"OPTIONS"), *PSEUDO[1:3], (b":path", b"*")), "OPTIONS * 0")

for name in (b"X", b"Content-Length", b"Transfer-Encoding", b"", b"a b", b"a:", b" a", b"a ", b"a\r\nb", b"a\0", b"a\n", b"a\rb", b"a\x7f",
             b"\xe9", b"a/b", b"(a)", b"a\t", b"\"a\"", b"x\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\nx"):
    add("RFC 9113 8.2, 8.2.1", f"h2 name {name}", (*PSEUDO, (name, b"1")))
for value in (b"a\rb", b"a\nb", b"a\r\nb: c", b"a\0b", b" a", b"a ", b"\ta", b"a\t", b"\r\n", b"\n", b"a\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"):
    add("RFC 9113 8.2.1", f"h2 value {value}", (*PSEUDO, (b"x", value)))
for value in (b"\x01", b"a\x0bb", b"a\x7f"):
    add("RFC 9110 5.5", f"h2 value {value}", (*PSEUDO, (b"x", value)))
for value in (b"", b"a\tb", b"\xe9", b"a: b"):
    add("RFC 9110 5.5", f"h2 value {value}", (*PSEUDO, (b"x-own", value)), "GET /h2 0", has=((b"x-own", value),))
for name, value in ((b"connection", b"close"), (b"connection", b"x"), (b"keep-alive", b"timeout=5"), (b"proxy-connection", b"x"),
                    (b"upgrade", b"h2c"), (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"identity"), (b"transfer-encoding", b"")):
    add("RFC 9113 8.2.2", f"h2 {name} {value}", (*PSEUDO, (name, value)))
for value in (b"gzip", b"trailers, gzip", b"chunked", b"trailers;q=1", b""):
    add("RFC 9113 8.2.2", f"h2 te {value}", (*PSEUDO, (b"te", value)))
add("RFC 9113 8.2.2", "h2 te trailers", (*PSEUDO, (b"te", b"trailers")), "GET /h2 0", has=((b"te", b"trailers"),))
add("RFC 9113 8.2.3", "h2 cookies in crumbs", (*PSEUDO, (b"cookie", b"a=1"), (b"cookie", b"b=2")), "GET /h2 0")
add("RFC 9110 5.4", "h2 a head that is too long", (*PSEUDO, *((b"x%d" % i, b"a" * 1000) for i in range(70))))
add("RFC 9110 5.4", "h2 too many fields", (*PSEUDO, *((b"x%d" % i, b"a") for i in range(200))))

for length in (b"", b"+5", b"-5", b"5 5", b"5,5", b"0x5", b"5.0", b"18446744073709551621", b"a", b"4", b"6", b"0"):
    add_body("RFC 9113 8.1.1, RFC 9110 8.6", f"h2 length {length} of 5", ((b"content-length", length),), (b"12345",), REFUSED)
add_body("RFC 9113 8.1.1", "h2 two lengths", ((b"content-length", b"5"), (b"content-length", b"6")), (b"12345",), REFUSED)
add_body("RFC 9113 8.1.1", "h2 more than its length, in two", ((b"content-length", b"5"),), (b"12345", b"6"), REFUSED)
add_body("RFC 9113 8.1.1", "h2 less than its length, in two", ((b"content-length", b"5"),), (b"12", b"34"), REFUSED)
add_body("RFC 9113 8.1.1", "h2 less than its length, with trailers", ((b"content-length", b"5"),), (b"1234",), REFUSED, ((b"x", b"y"),))
add_body("RFC 9113 8.1.1", "h2 length 5", ((b"content-length", b"5"),), (b"12345",), "POST /h2 5")
add_body("RFC 9113 8.1.1", "h2 length 5, in pieces", ((b"content-length", b"5"),), (b"1", b"", b"2345", b""), "POST /h2 5")
add_body("RFC 9113 8.1", "h2 no length", (), (b"12345", b"678"), "POST /h2 8")
add_body("RFC 9113 8.1", "h2 a request in its body", (), (b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",), "POST /h2 35")
add_body("RFC 9113 8.1", "h2 the end of the chunks in its body", (),
         (b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",), "POST /h2 40")
add_body("RFC 9113 8.1", "h2 trailers", (), (b"12345",), "POST /h2 5", ((b"x-late", b"1"),))
for name, value in ((b":path", b"/smuggled"), (b":status", b"200"), (b"X", b"y"), (b"a\r\nb", b"c"), (b"x", b"a\r\nb"), (b"connection", b"x"),
                    (b"content-length", b"5"), (b"transfer-encoding", b"chunked"), (b"host", b"b")):
    add_body("RFC 9113 8.1, RFC 9110 6.5.1", f"h2 trailer {name}", (), (b"12345",), REFUSED, ((name, value),))
for length in (b"1", b"35"):
    add("RFC 9113 8.1.1", f"h2 length {length} of nothing", (*PSEUDO, (b"content-length", length)))
add("RFC 9113 8.1.1", "h2 length 0", (*PSEUDO, (b"content-length", b"0")), "GET /h2 0")

ROWS.append(Row("RFC 9113 6.10", "h2 another frame within a head",
                lambda stream: frame(HEADERS, END_STREAM, stream, block(*PSEUDO)) + frame(DATA, 0, stream, b"x"), CONNECTION))
ROWS.append(Row("RFC 9113 6.10", "h2 a head in pieces of one byte",
                lambda stream: frame(HEADERS, END_STREAM, stream, block(*PSEUDO)[:1]) + b"".join(
                    frame(CONTINUATION, END_HEADERS if at == len(block(*PSEUDO)) - 1 else 0, stream, block(*PSEUDO)[at:at + 1])
                    for at in range(1, len(block(*PSEUDO)))), ("GET /h2 0", CONNECTION)))
ROWS.append(Row("RFC 9113 5.1.1", "h2 a stream from the server's numbers", lambda stream: head(stream + 1, *PSEUDO), CONNECTION))
ROWS.append(Row("RFC 9113 5.3.1, 6.3", "h2 a stream that depends on itself",
                lambda stream: frame(HEADERS, END_HEADERS | END_STREAM | 0x20, stream, stream.to_bytes(4, "big") + b"\0" + block(*PSEUDO)),
                ("GET /h2 0", REFUSED, CONNECTION)))
ROWS.append(Row("RFC 9113 6.2", "h2 padding longer than the frame",
                lambda stream: frame(HEADERS, END_HEADERS | END_STREAM | 8, stream, b"\xff" + block(*PSEUDO)), CONNECTION))
ROWS.append(Row("RFC 7541 6.1", "h2 an index of nothing",
                lambda stream: frame(HEADERS, END_HEADERS | END_STREAM, stream, block(*PSEUDO) + b"\x80"), CONNECTION))

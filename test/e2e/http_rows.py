"""Rows of HTTP/1.1 strictness: bytes, and what becomes of them (RFC 9112, 9110).

A row is refused with a status (the connection closes, no application sees a whole request), or its
requests are seen by the application as `METHOD TARGET SIZE`. A row that leaves the connection open is
followed by another request on it, which must be seen as it is.
"""

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKS = b"5\r\n12345\r\n0\r\n\r\n"
ROWS = []


class Row:
    rfc = None  # the section that it is about

    def __init__(self, name, data, expected, *, closes=False, lacks=(), has=()):
        self.name, self.data, self.expected = name, data, expected
        self.closes = closes  # the request itself ends the connection; None: it may, also when it is refused
        self.lacks = lacks    # names of fields that the application must not see
        self.has = has        # (name, value) that it must see

    def __repr__(self):
        return self.name


def about(section):
    """Takes the rows that a function makes, and the section that they are about."""
    def take(make):
        for row in make():
            row.rfc = section
            ROWS.append(row)
        return make
    return take


def get(target="/", *lines, host=b"Host: a\r\n", method=b"GET", version=b"HTTP/1.1"):
    """A request without a body; `lines` are fields without their CRLF."""
    target = target.encode("latin-1") if isinstance(target, str) else target
    return method + b" " + target + b" " + version + b"\r\n" + host + \
        b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def post(body, *lines, **more):
    return get("/post", *lines, method=b"POST", **more) + body


def chunked(body, *lines):
    return post(body, b"Transfer-Encoding: chunked", *lines)


@about("RFC 9112 6.3, RFC 9110 8.6")
def _lengths():
    bad = (b"", b"+5", b"-5", b"-0", b"0x5", b"5h", b"5 5", b"5, 6", b"5,6", b"5;5", b"5.0", b"5e0", b"\x0b5",
           b"5\x0c", b"\"5\"", b"9223372036854775808", b"18446744073709551621", b"4294967301x",
           b"99999999999999999999", b"five", b"5,", b",5", b"5 ,x", b"_5", b"5_0", b"\xb2")
    for value in bad:
        yield Row(f"content-length {value!r}", post(b"12345", b"Content-Length: " + value), 400)
    yield Row("two lengths that differ", post(b"12345", b"Content-Length: 5", b"Content-Length: 6"), 400)
    yield Row("two lengths, the first empty", post(b"12345", b"Content-Length:", b"Content-Length: 5"), 400)


@about("RFC 9112 5.1")
def _names_of_lengths():
    for name in (b"Content-Length ", b" Content-Length", b"Content-Length\t", b"Content\tLength", b"Content Length",
                 b"Content-Length\x0b", b"\x00Content-Length", b"Content-Length\x00"):
        yield Row(f"field name {name!r}", post(b"12345", name + b": 5"), 400)


@about("RFC 9112 6.3, RFC 9110 8.6")
def _good_lengths():
    yield Row("length of nothing", post(b"", b"Content-Length: 0"), ["POST /post 0"])
    yield Row("length of five", post(b"12345", b"Content-Length: 5"), ["POST /post 5"])
    yield Row("length with tab before", post(b"12345", b"Content-Length:\t5"), ["POST /post 5"])
    yield Row("length with spaces around", post(b"12345", b"Content-Length:   5  "), ["POST /post 5"])
    yield Row("length with zeros before", post(b"12345", b"Content-Length: 0005"), ["POST /post 5"])
    yield Row("length in odd case", post(b"12345", b"cOnTeNt-LeNgTh: 5"), ["POST /post 5"])
    yield Row("length of a GET", get("/g", b"Content-Length: 5") + b"12345", ["GET /g 5"])
    yield Row("length of a GET that hides a request",
              get("/g", b"Content-Length: %d" % len(SMUGGLED)) + SMUGGLED, [f"GET /g {len(SMUGGLED)}"])
    yield Row("no length, then what looks like a body", post(b"") + b"x=1\r\n\r\n", ["POST /post 0", 400])
    yield Row("length of a DELETE", get("/d", b"Content-Length: 3", method=b"DELETE") + b"abc", ["DELETE /d 3"])
    yield Row("length of OPTIONS", get("/o", b"Content-Length: 3", method=b"OPTIONS") + b"abc", ["OPTIONS /o 3"])
    yield Row("a field that looks like a length", post(b"12345", b"Content-Length: 5", b"X-Content-Length: 2",
                                                       b"Content_Length: 2"), ["POST /post 5"])


@about("RFC 9112 6.1, 7")
def _codings():
    for value in (b"chunked, chunked", b",chunked", b"chunked,", b"\x0bchunked", b"chunked\x0b",
                  b"\x0cchunked", b"chunked\x00", b"chunked;q=1", b"chunked, identity", b"", b",", b"chunked,,",
                  b"\"chunked\"", b"chunked\xa0", b"chunked, gzip", b"c hunked", b"'chunked'"):
        yield Row(f"transfer-encoding {value!r}", post(CHUNKS, b"Transfer-Encoding: " + value), (400, 501))
    for value in (b"xchunked", b"chunke", b"chunkedd", b"gzip", b"gzip, chunked", b"identity", b"identity, chunked",
                  b"deflate", b"compress, chunked", b"x-chunked", b"trailers", b"cow", b"chunk"):
        yield Row(f"transfer-encoding {value!r}", post(CHUNKS, b"Transfer-Encoding: " + value), (400, 501))
    for lines in ((b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
                  (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
                  (b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"),
                  (b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"),
                  (b"Transfer-Encoding:", b"Transfer-Encoding: chunked"),
                  (b"Transfer-Encoding: chunked", b"Transfer-Encoding: x")):
        yield Row(f"two transfer-encodings {lines}", post(CHUNKS, *lines), (400, 501))


@about("RFC 9112 6.1, 6.3, 11.2")
def _two_framings():
    for lines in ((b"Content-Length: 5", b"Transfer-Encoding: chunked"),
                  (b"Transfer-Encoding: chunked", b"Content-Length: 5"),
                  (b"Transfer-Encoding: chunked", b"Content-Length: 0"),
                  (b"Transfer-Encoding: identity", b"Content-Length: 5"),
                  (b"Transfer-Encoding: xchunked", b"Content-Length: 5"),
                  (b"Transfer-Encoding:", b"Content-Length: 5"),
                  (b"Transfer-Encoding: chunked", b"Content-Length: ")):
        yield Row(f"two framings {lines}", post(CHUNKS, *lines), (400, 501))


@about("RFC 9112 5.1")
def _names_of_codings():
    for name in (b"Transfer-Encoding ", b"Transfer-Encoding\t", b" Transfer-Encoding", b"Transfer\x0bEncoding",
                 b"Transfer-Encoding\x00", b"Transfer-\xe8ncoding", b"Transfer-Encoding\x0b", b"Transfer-Encod\ring"):
        yield Row(f"field name {name!r}", post(b"12345", b"Content-Length: 5", name + b": chunked"), 400)


@about("RFC 9112 5.2")
def _folds():
    for fold in (b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding: chunked\r\n ,identity",
                 b"X: a\r\n Transfer-Encoding: chunked", b"X: a\r\n\tb", b"X:\r\n "):
        yield Row(f"folded {fold!r}", post(CHUNKS, fold), 400)


@about("RFC 9112 2.2")
def _line_ends():
    for data in (b"Transfer-Encoding\n: chunked", b"Transfer-Encoding: chunked\nX: a", b"X: a\nTransfer-Encoding: chunked",
                 b"X: a\rTransfer-Encoding: chunked", b"X: a\r\rTransfer-Encoding: chunked", b"X: \x00chunked",
                 b"X: a\x00\r\nTransfer-Encoding: chunked"):
        yield Row(f"line end {data!r}", post(CHUNKS, data), 400)


@about("RFC 9112 6.1")
def _good_codings():
    yield Row("HTTP/1.0 with Transfer-Encoding", post(CHUNKS, b"Transfer-Encoding: chunked", version=b"HTTP/1.0"), 400)
    yield Row("HTTP/1.0 with two framings",
              post(CHUNKS, b"Transfer-Encoding: chunked", b"Content-Length: 5", version=b"HTTP/1.0"), 400)
    yield Row("chunked in odd case", post(CHUNKS, b"tRANSFER-eNCODING: cHUNKED"), ["POST /post 5"])
    yield Row("chunked with blanks around", post(CHUNKS, b"Transfer-Encoding: \t chunked "), (400, ["POST /post 5"]))
    yield Row("a name that looks like it", post(b"12345", b"Content-Length: 5", b"Transfer_Encoding: chunked",
                                               b"X-Transfer-Encoding: chunked"), ["POST /post 5"])
    yield Row("TE is for this hop", get("/te", b"TE: trailers, gzip", b"Connection: TE"), ["GET /te 0"], has=((b"te", b"trailers"), (b"connection", b"te")))
    yield Row("TE without trailers is for this hop", get("/te", b"TE: gzip", b"Connection: TE"), ["GET /te 0"], lacks=(b"te",))


@about("RFC 9112 7.1")
def _chunks():
    for size in (b"-5", b"+5", b"0x5", b" 5", b"5 ", b"5\t", b"\t5", b"5x", b"g", b"", b"0x", b"5\x00", b"_5", b"5_",
                 b"5,", b"1 0", b"10000000000000005", b"00000000000000005", b"ffffffffffffffff", b"8000000000000000",
                 b"f" * 17, b"5 ;a", b"5\t;a", b"\xff", b"-0", b"5\x0b", b"'5'"):
        yield Row(f"chunk size {size!r}", chunked(size + b"\r\n12345\r\n0\r\n\r\n"), 400)


@about("RFC 9112 7.1, 7.1.1")
def _chunk_lines():
    for data in (b"5\n12345\r\n0\r\n\r\n", b"5\r12345\r\n0\r\n\r\n", b"5\r\n12345\n0\r\n\r\n", b"5\r\n123450\r\n\r\n",
                 b"5\r\n12345\r0\r\n\r\n", b"5\r\n1234\r\n0\r\n\r\n", b"5\r\n123456\r\n0\r\n\r\n", b"5\r\n12345\r\n0\n\r\n",
                 b"5\r\n12345\r\n0\r\n\n", b"5\r\n12345\r\n0\r\n\r\r", b"5;a\n12345\r\n0\r\n\r\n", b"5\r\n12345\r\n\r\n0\r\n\r\n",
                 b"5\r\n12345  0\r\n\r\n", b"5\r\r\n12345\r\n0\r\n\r\n", b"5;\x00\r\n12345\r\n0\r\n\r\n", b"5;a\rb\r\n12345\r\n0\r\n\r\n",
                 b"5;a\x01\r\n12345\r\n0\r\n\r\n", b"5;a=\"\n\"\r\n12345\r\n0\r\n\r\n", b"5;a\x7f\r\n12345\r\n0\r\n\r\n",
                 b"5;" + b"a" * 300 + b"\r\n12345\r\n0\r\n\r\n", b"\r\n5\r\n12345\r\n0\r\n\r\n", b"5\r\n12345XX0\r\n\r\n"):
        yield Row(f"chunks {data[:24]!r}", chunked(data), 400)


@about("RFC 9112 7.1.2, RFC 9110 6.5")
def _trailers():
    for trailer in (b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Host: b", b"Authorization: x", b"X : a",
                    b" X: a", b"X: a\nY: b", b": a", b"X", b"X: a\rb", b"X: \x00", b"Trailer: a", b"TE: x", b"Cookie: a"):
        kept = trailer.partition(b":")[0] in (b"Trailer", b"TE", b"Cookie")
        yield Row(f"trailer {trailer!r}", chunked(b"5\r\n12345\r\n0\r\n" + trailer + b"\r\n\r\n"),
                  (400, ["POST /post 5"]) if kept else 400)
    yield Row("trailers never become fields", chunked(b"0\r\nX-Late: 1\r\n\r\n"), ["POST /post 0"], lacks=(b"x-late",))


@about("RFC 9112 7.1")
def _good_chunks():
    for name, data, size in (
            ("one", b"5\r\n12345\r\n0\r\n\r\n", 5), ("two", b"2\r\n12\r\n3\r\n345\r\n0\r\n\r\n", 5),
            ("none", b"0\r\n\r\n", 0), ("upper-case size", b"A\r\n0123456789\r\n0\r\n\r\n", 10),
            ("zeros before", b"0005\r\n12345\r\n000\r\n\r\n", 5), ("extension", b"5;a=b\r\n12345\r\n0;c\r\n\r\n", 5),
            ("quoted extension", b"5;a=\"b;c\"\r\n12345\r\n0\r\n\r\n", 5),
            ("CRLF inside", b"6\r\na\r\nb\r\n\r\n0\r\n\r\n", 6),
            ("a request inside", b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED), len(SMUGGLED))):
        yield Row(f"chunks: {name}", chunked(data), [f"POST /post {size}"])
    yield Row("a request behind the last chunk", chunked(b"0\r\n\r\n") + get("/next"), ["POST /post 0", "GET /next 0"])


@about("RFC 9112 3, RFC 9110 9.1")
def _lines():
    for line in (b"GET  / HTTP/1.1", b"GET /  HTTP/1.1", b" GET / HTTP/1.1", b"GET / HTTP/1.1 ", b"GET\t/\tHTTP/1.1", b"GET /",
                 b"GET / HTTP/1", b"GET / http/1.1", b"GET / HTTP/1.1x", b"GET / HTTP/01.1", b"GET / HTTP/1.01", b"GET / HTTP /1.1",
                 b"GET / HTTP/11", b"GET / HTTP/1,1", b"GET / HTTPS/1.1", b"GET / HTP/1.1", b"GET / HTTP/a.b", b"G@T / HTTP/1.1",
                 b"G\xc8T / HTTP/1.1", b"GET,/,HTTP/1.1", b"\"GET\" / HTTP/1.1", b"GET /\x00 HTTP/1.1", b"G\x00T / HTTP/1.1",
                 b"GET /a b HTTP/1.1", b"GET /\x01 HTTP/1.1", b"GET /\x7f HTTP/1.1", b"GET /\t HTTP/1.1", b"GET /a#b HTTP/1.1",
                 b"GET /\x0b HTTP/1.1", b"GET a HTTP/1.1", b"GET ?a HTTP/1.1", b"GET * HTTP/1.1", b"GET a:80 HTTP/1.1",
                 b"GET \\a HTTP/1.1", b"POST * HTTP/1.1", b": / HTTP/1.1", b"/ HTTP/1.1", b"GET", b"GET /\rX HTTP/1.1",
                 b"GET / HTTP/1.1\r", b"GET / HTTP/1.1\x0b", b"GET HTTP/1.1"):
        yield Row(f"line {line!r}", line + b"\r\nHost: a\r\n\r\n", (400, 505))


@about("RFC 9112 2.3")
def _versions():
    for version in (b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/3.0", b"HTTP/1.9", b"HTTP/9.9"):
        yield Row(f"version {version}", get("/v", version=version), (400, 505))
    yield Row("HTTP/0.9", b"GET /\r\n\r\n", (400, 505))


@about("RFC 9112 2.2")
def _ends():
    yield Row("bare LF throughout", b"GET / HTTP/1.1\nHost: a\n\n", 400)
    yield Row("bare LF at the line", b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400)
    yield Row("bare LF at the end", b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400)
    yield Row("bare CR at the end", b"GET / HTTP/1.1\r\nHost: a\r\n\rX", 400)
    yield Row("blanks before the first field", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400)
    yield Row("a blank line of blanks", b"GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n", 400)


@about("RFC 9112 5, RFC 9110 5.1, 5.5")
def _fields():
    for line in (b"X", b": a", b"X :a", b"X\t:a", b"X Y: a", b"X\x00: a", b"X: a\x00b", b"X: a\x01b", b"X: a\x7fb", b"X(: a", b"X/Y: a",
                 b"X\xff: a", b"\"X\": a", b"[X]: a", b"X@: a", b"{X}: a", b"X: a\rb", b"X: a\nb", b"=: \x0b", b"X;: a", b"X=: a"):
        yield Row(f"field {line!r}", get("/f", line), 400)
    yield Row("a field of every good kind", get("/f", b"X-Empty:", b"x!#$%&'*+-.^_`|~9: a", b"X-Tab: a\tb", b"X-High: \xe9"),
              ["GET /f 0"], has=((b"x-empty", b""), (b"x!#$%&'*+-.^_`|~9", b"a"), (b"x-tab", b"a\tb"), (b"x-high", b"\xe9")))


@about("RFC 9112 2.2")
def _before():
    yield Row("one empty line before", b"\r\n" + get("/e"), ["GET /e 0"])
    yield Row("three empty lines before", b"\r\n\r\n\r\n" + get("/e"), (400, ["GET /e 0"]))
    yield Row("bare LF before", b"\n" + get("/e"), 400)


@about("RFC 9112 3, RFC 9110 5.4, 15.5.15")
def _limits():
    yield Row("a line that is too long", get("/" + "a" * 9000), 414)
    yield Row("a line without end", b"GET /" + b"a" * 9000, 414)
    yield Row("a method that is too long", b"A" * 9000 + b" / HTTP/1.1\r\nHost: a\r\n\r\n", (400, 414, 501))
    yield Row("a field that is too long", get("/f", b"X: " + b"a" * 70000), 431)
    yield Row("a head that is too long", get("/f", *[b"X%d: " % i + b"a" * 1000 for i in range(70)]), 431)
    yield Row("too many fields", get("/f", *[b"X%d: a" % i for i in range(130)]), 431)
    yield Row("many fields", get("/f", *[b"X%d: a" % i for i in range(110)]), ["GET /f 0"])


@about("RFC 9110 9.1")
def _methods():
    for method in (b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"M-SEARCH", b"FOO", b"get", b"TRACE"):
        yield Row(f"method {method}", get("/m", method=method), [f"{method.decode()} /m 0"])
    yield Row("HEAD", get("/h", method=b"HEAD"), ["HEAD /h 0"])
    yield Row("preface of HTTP/2 behind a request", get("/p") + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (["GET /p 0", 400], ["GET /p 0", 505]))


@about("RFC 9112 3.2, RFC 9110 7.2")
def _hosts():
    for host in (b"", b"Host: a\r\nHost: b\r\n", b"Host: a\r\nHost: a\r\n", b"Host: a b\r\n", b"Host: a, b\r\n", b"Host: a/b\r\n",
                 b"Host: a@b\r\n", b"Host: a:b\r\n", b"Host: a:80:81\r\n", b"Host: a:99999\r\n", b"Host: [::1\r\n", b"Host: a\x00\r\n",
                 b"Host: a#b\r\n", b"Host: a?b\r\n", b"Host : a\r\n", b" Host: a\r\n", b"Host: http://a\r\n", b"Host: \xe9\r\n",
                 b"Host: [::1]x\r\n", b"Host: a\\b\r\n", b"Host: <a>\r\n", b"Host: a:-1\r\n", b"Host: a:+80\r\n", b"Host: a:0x50\r\n"):
        yield Row(f"host {host!r}", get("/h", host=host), 400)
    for host in (b"Host: a:80\r\n", b"hOsT: a\r\n", b"Host: [::1]:80\r\n", b"Host: 10.0.0.1\r\n", b"Host: a-b.c_d.example\r\n"):
        yield Row(f"host {host!r}", get("/h", host=host), ["GET /h 0"])


@about("RFC 9112 3.2.2")
def _absolute():
    yield Row("absolute-form wins", get("http://b/x", host=b"Host: a\r\n"), ["GET /x 0"], has=((b"host", b"b"),))
    yield Row("absolute-form with a port and a query", get("http://b:8080/x?y=1"), ["GET /x?y=1 0"], has=((b"host", b"b:8080"),))
    yield Row("absolute-form without a path", get("http://b"), ["GET / 0"], has=((b"host", b"b"),))
    for target in ("http://", "http:///x", "http://u@b/x", "http://b c/x", "http://b:x/", "ftp:", "//", "http:/x", "http://b#f", "http://b\\c/"):
        yield Row(f"target {target}", get(target), (400, ["GET // 0"]) if target == "//" else 400)
    yield Row("absolute-form without Host", get("http://b/x", host=b""), 400)
    yield Row("absolute-form with two Hosts", get("http://b/x", host=b"Host: b\r\nHost: a\r\n"), 400)


@about("RFC 9112 3.2.4")
def _asterisk():
    yield Row("asterisk-form", get("*", method=b"OPTIONS"), ["OPTIONS * 0"])


@about("RFC 9112 2.3, 9.3")
def _old():
    yield Row("HTTP/1.0 without Host", get("/10", host=b"", version=b"HTTP/1.0"), ["GET /10 0"], closes=True)
    yield Row("HTTP/1.0 with keep-alive", get("/10", b"Connection: keep-alive", version=b"HTTP/1.0"), ["GET /10 0"], closes=None)
    yield Row("HTTP/1.0 with a body", post(b"12345", b"Content-Length: 5", version=b"HTTP/1.0"), ["POST /post 5"], closes=True)


@about("RFC 9110 7.6.1")
def _hops():
    yield Row("fields of one hop", get("/hop", b"Connection: x-mine, keep-alive", b"X-Mine: 1", b"Keep-Alive: timeout=5",
                                       b"Proxy-Connection: keep-alive", b"Proxy-Authorization: x", b"X-Kept: 1"),
              ["GET /hop 0"], lacks=(b"x-mine", b"keep-alive", b"proxy-connection"), has=((b"x-kept", b"1"),))
    yield Row("Connection may not take Host away", get("/hop", b"Connection: host"), (400, ["GET /hop 0"]))
    yield Row("Connection may not take the length away", post(b"12345", b"Content-Length: 5", b"Connection: content-length"),
              (400, ["POST /post 5"]))
    yield Row("Connection may not take the coding away", chunked(b"5\r\n12345\r\n0\r\n\r\n", b"Connection: transfer-encoding"),
              (400, ["POST /post 5"]))
    yield Row("Connection may not take what the mesh writes away",
              get("/hop", b"Connection: x-forwarded-for, x-request-id, x-forwarded-client-cert"), ["GET /hop 0"])
    yield Row("the mesh's own fields", get("/own", b"Outrigger-Orig-Proto: h2", b"outrigger-x: 1"), ["GET /own 0"],
              lacks=(b"outrigger-orig-proto", b"outrigger-x"))



@about("RFC 9110 7.8")
def _upgrades():
    yield Row("upgrade to h2c", get("/up", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"),
              ["GET /up 0"], lacks=(b"upgrade", b"http2-settings"))
    yield Row("upgrade to h2c with a body", post(b"12345", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: ",
                                                 b"Content-Length: 5"), ["POST /post 5"], lacks=(b"upgrade", b"http2-settings"))
    yield Row("an upgrade that Connection does not name", get("/up", b"Upgrade: websocket"), ["GET /up 0"], lacks=(b"upgrade",))


@about("RFC 9112 9.6")
def _closing():
    yield Row("Connection: close", get("/c", b"Connection: close"), ["GET /c 0"], closes=True)
    yield Row("Connection: close among others", get("/c", b"Connection: x, Close"), ["GET /c 0"], closes=True)
    yield Row("nothing behind Connection: close is read", get("/c", b"Connection: close") + SMUGGLED, ["GET /c 0"], closes=True)
    yield Row("malformed Connection", get("/c", b"Connection: a b"), (400, ["GET /c 0"]))


@about("RFC 9112 9.3.2")
def _pipelines():
    yield Row("pipelined", get("/1") + get("/2") + get("/3"), ["GET /1 0", "GET /2 0", "GET /3 0"])
    yield Row("pipelined with bodies", post(b"1", b"Content-Length: 1") + chunked(b"1\r\n1\r\n0\r\n\r\n") + get("/3"),
              ["POST /post 1", "POST /post 1", "GET /3 0"])
    yield Row("pipelined, the second malformed", get("/1") + b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", ["GET /1 0", 400])
    yield Row("CRLF between", post(b"1", b"Content-Length: 1") + b"\r\n" + get("/2"), ["POST /post 1", "GET /2 0"])


@about("RFC 9110 10.1.1")
def _expectations():
    yield Row("Expect", post(b"12345", b"Expect: 100-continue", b"Content-Length: 5"), ["POST /post 5"])
    yield Row("Expect without a body", get("/e", b"Expect: 100-continue"), ["GET /e 0"])
    yield Row("Expect something else", post(b"12345", b"Expect: x", b"Content-Length: 5"), (417, 400, ["POST /post 5"]))


@about("RFC 3986 6.2.2, RFC 9110 4.2.3")
def _paths():
    for target, seen in (("/a/../b", "/b"), ("/a/./b", "/a/b"), ("/%61", "/a"), ("/a%20b", "/a%20b"), ("/a?b=%2f", "/a?b=%2f"),
                         ("/a%2e%2e/b", "/a../b"), ("/a%2fb", "/a%2Fb"), ("/a%5cb", "/a%5Cb"), ("/a%0d%0ab", "/a%0D%0Ab"), ("/a//b", "/a//b"),
                         ("/a;x/b", "/a;x/b"), ("/%252e%252e/b", "/%252e%252e/b")):
        yield Row(f"path {target}", get(target), [f"GET {seen} 0"])
    for target in ("/..", "/%2e%2e/b", "/a/../../b", "/..;/b", "/a%00b", "/a%zz", "/a%2", "/a%"):
        yield Row(f"path {target}", get(target), 400, closes=None)

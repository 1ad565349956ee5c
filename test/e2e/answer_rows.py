"""Rows of malformed answers (RFC 9112, 9110): the bytes of an HTTP/1.1 application, and what its client gets.

BAD is 502, or an answer that is seen to be cut; else (status, body). Whatever it is, the next request gets its own
answer and never what stood behind this one.
"""
BAD = "bad"
SMUGGLED = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"
ROWS = []


class Row:
    def __init__(self, rfc, name, data, expected, method):
        self.rfc, self.name, self.data, self.expected, self.method = rfc, name, data, expected, method

    def __repr__(self):
        return self.name


def add(rfc, name, data, *expected, method=b"GET"):
    ROWS.append(Row(rfc, name, data, expected, method))


def ok(*lines, body=b"12345", line=b"HTTP/1.1 200 OK"):
    return line + b"\r\n" + b"".join(field + b"\r\n" for field in lines) + b"\r\n" + body


CHUNKED, FIVE = b"Transfer-Encoding: chunked", b"Content-Length: 5"
CHUNKS = b"5\r\n12345\r\n0\r\n\r\n"

for fields in ((FIVE, CHUNKED), (CHUNKED, FIVE), (CHUNKED, b"Content-Length: 0"), (FIVE, b"Transfer-Encoding: identity")):
    add("RFC 9112 6.1, 6.3", f"answer with two framings {fields}", ok(*fields, body=CHUNKS), BAD)
for value in (b"", b"+5", b"-5", b"0x5", b"5,6", b"5 5", b"a", b"18446744073709551621", b"5;5", b"5.0"):
    add("RFC 9110 8.6", f"answer of length {value!r}", ok(b"Content-Length: " + value), BAD)
add("RFC 9112 6.3", "answer with two lengths", ok(FIVE, b"Content-Length: 6"), BAD)
for value in (b"xchunked", b"chunked, chunked", b"gzip", b"identity", b"", b"chunked, gzip", b"\x0bchunked", b"chunked;a"):
    add("RFC 9112 6.1", f"answer in coding {value!r}", ok(b"Transfer-Encoding: " + value, body=CHUNKS), BAD)
for chunks in (b"x\r\n", b"-5\r\n12345\r\n0\r\n\r\n", b"5\n12345\r\n0\r\n\r\n", b"5\r\n123456\r\n0\r\n\r\n", b"5 \r\n12345\r\n0\r\n\r\n",
               b"5\r\n12345\r\n0\n\r\n", b"ffffffffffffffffff\r\n1", b"5;a\x00\r\n12345\r\n0\r\n\r\n", b"5\r\n12345\r\n0\r\nX : a\r\n\r\n",
               b"5\r\n12345\r\n0\r\nContent-Length: 5\r\n\r\n", b"5;" + b"a" * 300 + b"\r\n12345\r\n0\r\n\r\n"):
    add("RFC 9112 7.1", f"answer in chunks {chunks[:20]!r}", ok(CHUNKED, body=chunks), BAD)
for line in (b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1  200 OK", b"HTTP/2.0 200 OK", b"http/1.1 200 OK", b"HTTP/1.1 abc OK",
             b"HTTP/1.1 099 OK", b"HTTP/1.1 600 OK", b"HTTP/1.1", b"garbage", b"ICY 200 OK", b"HTTP/1.1 200 O\x00K", b" HTTP/1.1 200 OK", b"HTTP/1.1\t200 OK"):
    add("RFC 9112 4, RFC 9110 15", f"answer's line {line!r}", ok(FIVE, line=line), BAD)
for field in (b"X : a", b" X: a", b"X", b": a", b"X: a\x00", b"X: a\rb", b"X: a\nb", b"X Y: a", b"X: a\r\n b", b"Content-Length : 5", b"\x00: a"):
    add("RFC 9112 5, RFC 9110 5.5", f"answer's field {field!r}", ok(FIVE, field), BAD)
add("RFC 9112 2.2", "answer with bare LF", ok(FIVE).replace(b"\r\n", b"\n"), BAD)
add("RFC 9110 5.4", "answer with a head too long", ok(FIVE, *(b"X%d: " % i + b"a" * 1000 for i in range(200))), BAD)
add("RFC 9110 5.4", "answer with a field too long", ok(FIVE, b"X: " + b"a" * 200000), BAD)
add("RFC 9110 5.4", "answer with too many fields", ok(FIVE, *(b"X%d: a" % i for i in range(2000))), BAD)
add("RFC 9110 15.2", "answer behind 1000 interim ones", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000 + ok(FIVE), BAD)
add("RFC 9110 15.2", "answer behind one interim", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + ok(FIVE), (200, b"12345"))
add("RFC 9110 15.2.2", "101 that nobody asked for", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + SMUGGLED, BAD)
add("RFC 9110 15.2", "interim with a body", b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n12345" + ok(FIVE), BAD)
add("RFC 9110 15.3.5", "204 with a body", ok(FIVE, line=b"HTTP/1.1 204 No Content"), (204, b""), BAD)
add("RFC 9110 15.3.5", "204 in chunks", ok(CHUNKED, body=CHUNKS, line=b"HTTP/1.1 204 No Content"), (204, b""), BAD)
add("RFC 9112 6.3", "another answer behind 204", ok(body=SMUGGLED, line=b"HTTP/1.1 204 No Content"), (204, b""), BAD)
add("RFC 9110 15.4.5", "304 with a body", ok(FIVE, line=b"HTTP/1.1 304 Not Modified"), (304, b""), BAD)
add("RFC 9112 6.3", "another answer behind 304", ok(FIVE, body=SMUGGLED, line=b"HTTP/1.1 304 Not Modified"), (304, b""), BAD)
add("RFC 9110 9.3.2", "HEAD with a body", ok(FIVE), (200, b""), BAD, method=b"HEAD")
add("RFC 9112 6.3", "another answer behind HEAD", ok(FIVE, body=SMUGGLED), (200, b""), BAD, method=b"HEAD")
add("RFC 9112 6.3", "another answer behind a length", ok(FIVE) + SMUGGLED, (200, b"12345"), BAD)
add("RFC 9112 6.3", "another answer behind chunks", ok(CHUNKED, body=CHUNKS) + SMUGGLED, (200, b"12345"), BAD)
add("RFC 9112 6.3", "garbage behind a length", ok(FIVE) + b"678", (200, b"12345"), BAD)
add("RFC 9112 6.3", "an answer to its end", ok(b"X: a"), (200, b"12345"))
add("RFC 9112 8", "an answer cut in its body", ok(b"Content-Length: 9"), BAD)
add("RFC 9112 8", "an answer cut in its chunks", ok(CHUNKED, body=b"5\r\n12345\r\n"), BAD)
add("RFC 9112 8", "an answer cut in its head", b"HTTP/1.1 200 OK\r\nContent-Le", BAD)
add("RFC 9112 8", "no answer", b"", BAD)
add("RFC 9112 6", "a good answer with a length", ok(FIVE), (200, b"12345"))
add("RFC 9112 6", "a good answer in chunks", ok(CHUNKED, body=CHUNKS), (200, b"12345"))

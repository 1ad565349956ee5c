#!/usr/bin/python3
"""An authorizer and a rate limit service, as Envoy's clients know them; prints what it is asked, as JSON.

What the authorizer says depends on the path: /denied (401, a header and a text), /refused (no more than no),
/slow (after 2 s), /broken (UNAVAILABLE), /garbage, /huge; anything else passes, with headers. The rate limit
service lets two requests of each descriptor pass, and then none for 2 s.
"""
import argparse
import collections
import json
import time
from concurrent import futures

import grpc

from protobuf import encoded, every, one

CHECK = "/envoy.service.auth.v3.Authorization/Check"
SHOULD_RATE_LIMIT = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"


def option(name, value):
    return encoded((1, encoded((1, name), (2, value))))


ALLOWED = encoded((1, b""), (3, encoded(
    (2, option("x-user", "alice")), (2, option("x-auth-team", "blue")), (2, option("x-admin", "yes")),
    (2, option("x-forwarded-for", "6.6.6.6")), (2, option("x-split", "a\r\nb: c")), (5, "x-auth-secret"),
    (5, "x-keep"))))
DENIED = encoded((1, encoded((1, 7))), (2, encoded(
    (1, encoded((1, 401))), (2, option("x-why", "because")), (2, option("content-length", "3")),
    (3, "go away"))))
REFUSED = encoded((1, encoded((1, 7))))


def tell(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


def text(data, number):
    return one(data, number).decode()


def check(asked, context):
    attributes = one(asked, 1)
    source, request = one(attributes, 1), one(one(attributes, 4), 2)
    headers = {text(entry, 1): text(entry, 2) for entry in every(request, 3)}
    path = text(request, 4)
    tell("check", principal=text(source, 4), method=text(request, 2), path=path, host=text(request, 5),
         query=text(request, 7), protocol=text(request, 10), headers=headers,
         source=text(one(one(source, 1), 1), 2))
    if path == "/slow":
        time.sleep(2)
    if path == "/broken":
        context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
    return {"/denied": DENIED, "/refused": REFUSED, "/garbage": b"\xff\xff\xff",
            "/huge": b"\x00" * 100000}.get(path, ALLOWED)


class Counts:
    def __init__(self):
        self.seen = collections.Counter()
        self.until = {}

    def should_rate_limit(self, asked, context):
        now, codes, reset = time.monotonic(), [], []
        descriptors = [[(text(entry, 1), text(entry, 2)) for entry in every(descriptor, 1)]
                       for descriptor in every(asked, 2)]
        tell("limit", domain=text(asked, 1), descriptors=descriptors)
        if ["path", "/broken"] in [list(entry) for entries in descriptors for entry in entries]:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        for entries in descriptors:
            key = str(entries)
            if self.until.get(key, 0) <= now:
                self.seen[key], self.until[key] = 0, now + 2
            self.seen[key] += 1
            codes.append(2 if self.seen[key] > 2 else 1)
            reset.append(self.until[key] - now)
        statuses = [(2, encoded((1, code), (4, encoded((1, int(wait)), (2, int(wait % 1 * 1e9))))))
                    for code, wait in zip(codes, reset)]
        return encoded((1, max(codes)), *statuses)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    arguments = parser.parse_args()
    counts = Counts()

    class Handler(grpc.GenericRpcHandler):
        def service(self, details):
            methods = {CHECK: check, SHOULD_RATE_LIMIT: counts.should_rate_limit}
            method = methods.get(details.method)
            return method and grpc.unary_unary_rpc_method_handler(method)

    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((Handler(),))
    assert server.add_insecure_port(f"0.0.0.0:{arguments.port}") == arguments.port
    server.start()
    print(f"listening on {arguments.port}", flush=True)
    server.wait_for_termination()


main()

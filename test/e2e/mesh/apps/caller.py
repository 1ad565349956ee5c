#!/usr/bin/python3
"""Calls an API without a pause until SIGTERM, on several connections at once, and tries nothing twice.

Prints a line for each call: "ok SERVER MICROSECONDS", or "failed" and how.
"""
import argparse
import http.client
import json
import signal
import threading
import time
import urllib.parse

SLOW_MS = 100  # each tenth call, so that there is always one on its way


class HttpCaller:
    """GET and POST in turns, on one connection that is kept alive."""

    def __init__(self, target):
        self.path = target.path
        self.connection = http.client.HTTPConnection(target.hostname, target.port or 80, timeout=10)

    def call(self, number):
        body = b"x" * 100 if number % 2 else None
        headers = {} if number % 10 else {"x-takes": str(SLOW_MS)}
        self.connection.request("POST" if body else "GET", self.path, body, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status} {text!r}")
        seen = json.loads(text)
        if seen["size"] != len(body or b""):
            raise RuntimeError(f"the server got {seen['size']} bytes")
        return seen["name"]


class GrpcCaller:
    def __init__(self, target):
        import grpc  # only who speaks gRPC needs it
        # Nothing is sent again by the client, nor shared with another caller of this process.
        options = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.insecure_channel(target.netloc, options)
        self.method = self.channel.unary_unary(target.path)

    def call(self, number):
        metadata = [] if number % 10 else [("takes", str(SLOW_MS))]
        return self.method(b"hello", timeout=10, metadata=metadata).split()[0].decode()


def keep_calling(target, first, ending):
    made = GrpcCaller if target.scheme == "grpc" else HttpCaller
    caller, number = made(target), first
    while not ending.is_set():
        begun = time.monotonic()
        try:
            name = caller.call(number)
            print(f"ok {name} {(time.monotonic() - begun) * 1e6:.0f}\n", end="", flush=True)
        except Exception as problem:  # whatever it is: the call has failed
            text = " ".join(str(problem).split())
            print(f"failed {type(problem).__name__}: {text}\n", end="", flush=True)
            caller = made(target)
        number += 1
        ending.wait(0.005)  # the load that is wanted, not a wait for anything


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", help="http://HOST[:PORT]/PATH or grpc://HOST:PORT/SERVICE/METHOD")
    parser.add_argument("--threads", type=int, default=4)
    options = parser.parse_args()
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: ending.set())
    threads = [threading.Thread(target=keep_calling,
                                args=(urllib.parse.urlsplit(options.target), i, ending))
               for i in range(options.threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()

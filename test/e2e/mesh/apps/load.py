#!/usr/bin/python3
"""Asks without a pause until SIGTERM, as a well-behaved client; prints what became of it as JSON.

    http    connections that are kept alive until the server says `Connection: close`, GET and POST
            in turn, to http_echo.py
    close   a connection for each request
    grpc    one channel, as many calls at once, to grpc_echo.py

Nothing is ever asked twice: an answer other than the right one, or none, is told as failed.
"""
import argparse
import http.client
import json
import signal
import threading

is_over = threading.Event()


class Tally:
    def __init__(self):
        self.lock, self.done, self.failed, self.connections = threading.Lock(), 0, [], 0

    def add(self, problem=None):
        with self.lock:
            self.done += 1
            if problem:
                self.failed.append(problem)
                print(f"failed: {problem}", flush=True)
            if self.done % 20 == 0:
                print(f"done {self.done}", flush=True)

    def connected(self):
        with self.lock:
            self.connections += 1

    def print(self):
        print(json.dumps({"event": "load", "done": self.done, "failed": self.failed,
                          "connections": self.connections}), flush=True)


def ask(connection, number, headers):
    """Returns whether the connection may be used again."""
    body = b"x" * (number % 3 * 1000) if number % 2 else None
    connection.request("POST" if body else "GET", f"/{number}", body, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200 or json.loads(text)["size"] != len(body or b""):
        raise ValueError(f"{answer.status} {text[:200]!r}")
    return not answer.will_close


def ask_http(options, tally, headers=None):
    connection, number = None, 0
    while not is_over.is_set():
        if not connection:
            connection = http.client.HTTPConnection(options.address, options.port, timeout=20)
            connection.auto_open = 0
            tally.connected()
            try:
                connection.connect()
            except OSError as problem:
                tally.add(f"connecting: {problem!r}")
                connection = None
                continue
        number += 1
        is_kept = False
        try:
            is_kept = ask(connection, number, headers or {})
            tally.add()
        except (OSError, http.client.HTTPException, ValueError) as problem:
            tally.add(f"request {number}: {problem!r}")
        if not is_kept:
            connection.close()
            connection = None
    if connection:
        connection.close()


def ask_close(options, tally):
    ask_http(options, tally, {"Connection": "close"})


def ask_grpc(options, tally):
    import grpc
    def call(one, number):
        try:
            problem = None if one(b"%d" % number, timeout=20).endswith(b"%d" % number) else "wrong"
        except grpc.RpcError as error:
            problem = f"{error.code()} {error.details()}"
        tally.add(problem)

    def run(channel):
        one, number = channel.unary_unary("/echo.Echo/Unary"), 0
        while not is_over.is_set():
            number += 1
            call(one, number)
    # As a library's user has it: gRPC's own retries are for what the server has not begun with.
    with grpc.insecure_channel(f"{options.address}:{options.port}") as channel:
        tally.connected()
        in_threads(options.count, run, channel)


def in_threads(count, run, *arguments):
    threads = [threading.Thread(target=run, args=arguments) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["http", "close", "grpc"])
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: is_over.set())
    tally = Tally()
    print("listening to none, asking", flush=True)
    if options.what == "grpc":
        ask_grpc(options, tally)
    else:
        in_threads(options.count, ask_http if options.what == "http" else ask_close, options, tally)
    tally.print()


if __name__ == "__main__":
    main()

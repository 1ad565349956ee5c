#!/usr/bin/python3
"""A gRPC server that knows every method: it answers with its name, the method's and what was sent.

A call with the metadata `takes: MS` takes so long. On SIGTERM it goes on until no call has come for a
moment, and ends then: stop() of this library, like that of all that are built on gRPC's core, cancels
calls that come while it stops (RST_STREAM with CANCEL), and nobody can tell whether those had begun.
"""
import signal
import threading
import time
from concurrent import futures

import grpc
import server

GRACE_SECONDS = 10
QUIET_SECONDS, QUIET_AT_MOST_SECONDS = 0.2, 5


class Everything(grpc.GenericRpcHandler):
    def __init__(self, name):
        self.prefix = f"{name} " if name else ""
        self.has_come = threading.Event()

    def service(self, call):
        def answer(message, context):
            self.has_come.set()
            print(f"call {call.method}\n", end="", flush=True)  # one write, from several threads
            time.sleep(int(dict(context.invocation_metadata()).get("takes", 0)) / 1000)
            return f"{self.prefix}{call.method} ".encode() + message
        return grpc.unary_unary_rpc_method_handler(answer)

    def wait_for_quiet(self):
        deadline = time.monotonic() + QUIET_AT_MOST_SECONDS
        self.has_come.clear()
        while self.has_come.wait(QUIET_SECONDS) and time.monotonic() < deadline:
            self.has_come.clear()


def main():
    options = server.parser(__doc__.splitlines()[0]).parse_args()
    ending, everything = threading.Event(), Everything(options.name)
    signal.signal(signal.SIGTERM, lambda number, frame: ending.set())
    api = grpc.server(futures.ThreadPoolExecutor(16), handlers=[everything])
    api.add_insecure_port(f"[::]:{options.port}")
    api.start()
    print(f"listening on {options.port}", flush=True)
    ending.wait()
    everything.wait_for_quiet()
    api.stop(GRACE_SECONDS).wait()


if __name__ == "__main__":
    main()

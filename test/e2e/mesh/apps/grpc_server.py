#!/usr/bin/python3
"""A gRPC server that knows every method: it answers with its name, the method's and what was sent.

A call with the metadata `takes: MS` takes so long. SIGTERM ends it as gRPC servers are ended: no new
calls, and those that it has begun are finished.
"""
import signal
import threading
import time
from concurrent import futures

import grpc
import server

GRACE_SECONDS = 10


class Everything(grpc.GenericRpcHandler):
    def __init__(self, name):
        self.prefix = f"{name} " if name else ""

    def service(self, call):
        def answer(message, context):
            print(f"call {call.method}", flush=True)
            time.sleep(int(dict(context.invocation_metadata()).get("takes", 0)) / 1000)
            return f"{self.prefix}{call.method} ".encode() + message
        return grpc.unary_unary_rpc_method_handler(answer)


def main():
    options = server.parser(__doc__.splitlines()[0]).parse_args()
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: ending.set())
    api = grpc.server(futures.ThreadPoolExecutor(16), handlers=[Everything(options.name)])
    api.add_insecure_port(f"[::]:{options.port}")
    api.start()
    print(f"listening on {options.port}", flush=True)
    ending.wait()
    api.stop(GRACE_SECONDS).wait()


if __name__ == "__main__":
    main()

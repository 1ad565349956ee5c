#!/usr/bin/python3
"""A gRPC server that takes everything and looks at nothing: where the benchmark's spans go."""
import signal
import sys
import threading
from concurrent import futures

import grpc


class Sink(grpc.GenericRpcHandler):
    def service(self, handler_call_details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")


def main():
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: ending.set())
    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[Sink()])
    assert server.add_insecure_port(f"[::]:{sys.argv[1]}")
    server.start()
    print("ready", flush=True)
    ending.wait()
    server.stop(0).wait()


main()

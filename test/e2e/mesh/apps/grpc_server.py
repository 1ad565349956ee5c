#!/usr/bin/python3
"""A gRPC server that knows every method: it answers with the method's name and what was sent."""
import sys
import threading
from concurrent import futures

import grpc


class Everything(grpc.GenericRpcHandler):
    def service(self, call):
        def answer(message, context):
            print(f"call {call.method}", flush=True)
            return call.method.encode() + b" " + message
        return grpc.unary_unary_rpc_method_handler(answer)


def main():
    port = int(sys.argv[1])
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[Everything()])
    server.add_insecure_port(f"[::]:{port}")
    server.start()
    print(f"listening on {port}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()

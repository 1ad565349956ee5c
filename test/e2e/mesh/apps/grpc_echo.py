#!/usr/bin/python3
"""A gRPC server, HTTP/2 without TLS: echo.Echo/{Unary,Stream,Chat,Collect,Fail,Wait,Ignore} over bytes.

    Unary     the request, behind the own name        Stream   as many answers as the request says
    Chat      each message as it comes                Collect  how many bytes came
    Fail      ends with the status that the request says, and the message "as asked"
    Wait      never ends; prints when the client has gone      Ignore   the same, and reads nothing
"""
import argparse
import threading
from concurrent import futures

import grpc


class Echo(grpc.GenericRpcHandler):
    def __init__(self, name):
        self.name = name.encode()

    def service(self, details):
        name = details.method.removeprefix("/echo.Echo/")
        kinds = {"Unary": (grpc.unary_unary_rpc_method_handler, self.unary),
                 "Stream": (grpc.unary_stream_rpc_method_handler, self.stream),
                 "Chat": (grpc.stream_stream_rpc_method_handler, self.chat),
                 "Collect": (grpc.stream_unary_rpc_method_handler, self.collect),
                 "Fail": (grpc.unary_unary_rpc_method_handler, self.fail),
                 "Ignore": (grpc.stream_unary_rpc_method_handler, self.wait),
                 "Wait": (grpc.unary_unary_rpc_method_handler, self.wait)}
        if name not in kinds:
            return None
        make, function = kinds[name]
        return make(function)

    def unary(self, request, context):
        context.set_trailing_metadata((("x-trailer", "last"),
                                       ("x-seen", str(sorted(context.invocation_metadata())))))
        return self.name + b" " + request

    @staticmethod
    def stream(request, context):
        size, _, count = request.partition(b"x")
        for _ in range(int(count)):
            yield b"x" * int(size)

    @staticmethod
    def chat(requests, context):
        yield from requests

    @staticmethod
    def collect(requests, context):
        return b"%d" % sum(len(request) for request in requests)

    @staticmethod
    def fail(request, context):
        code = next(code for code in grpc.StatusCode if code.value[0] == int(request))
        context.abort(code, "as asked")

    @staticmethod
    def wait(request, context):
        print("waiting", flush=True)
        gone = threading.Event()
        context.add_callback(gone.set)
        gone.wait()
        print("the client has gone", flush=True)
        return b""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("port", type=int)
    parser.add_argument("--name", default="")
    options = parser.parse_args()
    made = grpc.server(futures.ThreadPoolExecutor(16), (Echo(options.name),),
                       options=[("grpc.so_reuseport", 0)])
    made.add_insecure_port(f"[::]:{options.port}")
    made.start()
    print(f"listening on {options.port}", flush=True)
    made.wait_for_termination()


if __name__ == "__main__":
    main()

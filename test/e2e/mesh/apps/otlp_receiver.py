#!/usr/bin/python3
"""An OpenTelemetry receiver: prints each span that it is sent as a line of JSON.

It reads protobuf by the numbers of opentelemetry-proto itself, not by the project's file, so that a number
that is wrong there is seen. `--answers UNAVAILABLE,OK,reject` are given to one call after the other, the last
one to all that follow.
"""
import argparse
import json
import signal
import struct
import sys
import threading
from concurrent import futures

import grpc

from protobuf import every, fields, one

PATH = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def attributes(data, number):
    """Of repeated KeyValue{key = 1, value = 2: AnyValue{string = 1, int = 3}}."""
    found = {}
    for pair in every(data, number):
        value = one(pair, 2)
        found[one(pair, 1).decode()] = one(value, 1).decode() if every(value, 1) else one(value, 3, 0)
    return found


def spans(request):
    for resource_spans in every(request, 1):
        resource = attributes(one(resource_spans, 1), 1)
        for scope_spans in every(resource_spans, 2):
            scope = one(one(scope_spans, 1), 1).decode()
            for span in every(scope_spans, 2):
                status = one(span, 15)
                yield {"trace_id": one(span, 1).hex(), "span_id": one(span, 2).hex(),
                       "parent_id": one(span, 4).hex(), "name": one(span, 5).decode(),
                       "kind": {2: "server", 3: "client"}.get(one(span, 6, 0), "?"),
                       "start": one(span, 7, 0), "end": one(span, 8, 0),
                       "attributes": attributes(span, 9), "is_error": one(status, 3, 0) == 2,
                       "flags": one(span, 16, 0), "resource": resource, "scope": scope}


def tell(lines):
    """In one write: print() makes a second one of the line's end, and calls come in several threads."""
    sys.stdout.write(lines)
    sys.stdout.flush()


class Receiver(grpc.GenericRpcHandler):
    def __init__(self, answers):
        self.answers = answers

    def service(self, call):
        return grpc.unary_unary_rpc_method_handler(self.export) if call.method == PATH else None

    def export(self, request, context):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == "reject":  # partial_success = 1 {rejected_spans = 1, error_message = 2}
            return b"\x0a\x08\x08\x01\x12\x04full"
        if answer != "OK":
            tell(f"refused with {answer}\n")
            context.abort(grpc.StatusCode[answer], "not now")
        tell("".join(json.dumps({"event": "span", **span}) + "\n" for span in spans(request)))
        return b""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("port", type=int)
    parser.add_argument("--answers", default="OK")
    options = parser.parse_args()
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: ending.set())
    receiver = grpc.server(futures.ThreadPoolExecutor(4), handlers=[
        Receiver(options.answers.split(","))])
    assert receiver.add_insecure_port(f"[::]:{options.port}")
    receiver.start()
    print(f"listening on {options.port}", flush=True)
    ending.wait()
    receiver.stop(0).wait()


main()

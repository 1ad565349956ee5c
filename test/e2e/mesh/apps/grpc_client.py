#!/usr/bin/python3
"""Calls methods of a gRPC server, one after the other on one channel.

Prints for each one line: the status, then the answer or the message.
"""
import argparse

import grpc


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target")
    parser.add_argument("methods", nargs="+", metavar="METHOD")
    parser.add_argument("--metadata", metavar="NAME=VALUE", action="append", default=[])
    options = parser.parse_args()
    metadata = [tuple(pair.split("=", 1)) for pair in options.metadata]
    with grpc.insecure_channel(options.target) as channel:
        for method in options.methods:
            try:
                answer = channel.unary_unary(method)(b"hello", timeout=20, metadata=metadata)
                print("OK", answer.decode())
            except grpc.RpcError as error:
                print(error.code().name, error.details())


if __name__ == "__main__":
    main()

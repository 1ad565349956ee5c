#!/usr/bin/python3
"""Calls methods of a gRPC server, one after the other on one channel: grpc_client.py TARGET METHOD ...

Prints for each one line: the status, then the answer or the message.
"""
import sys

import grpc


def main():
    target, *methods = sys.argv[1:]
    with grpc.insecure_channel(target) as channel:
        for method in methods:
            try:
                answer = channel.unary_unary(method)(b"hello", timeout=20)
                print("OK", answer.decode())
            except grpc.RpcError as error:
                print(error.code().name, error.details())


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""A gRPC client of grpc_echo.py: does what it is told, prints what came of it as JSON.

    unary N          N calls one after the other on one channel: the answers' first words, counted
    parallel N       N calls at once
    stream SIZExN    how many bytes came
    chat N           N messages forth and back, one at a time: how many were right
    talk             sends each line of standard input and prints what comes back
    collect SIZExN   what the server counted
    fail CODE        the code and message that came
    stall            reads one message of many, and no more until a line comes; then cancels
    flood            sends messages until the call ends, which it does when a line comes
    wait             begins a call and cancels it when a line comes on standard input
"""
import collections
import json
import sys

import grpc


def stub(channel, kind, name):
    return getattr(channel, kind)(f"/echo.Echo/{name}")


def unary(channel, count):
    call = stub(channel, "unary_unary", "Unary")
    seen = collections.Counter()
    for i in range(int(count)):
        answer, details = call.with_call(b"hello %d" % i, metadata=(("x-own", "kept"),), timeout=20)
        name, _, rest = answer.partition(b" ")
        assert rest == b"hello %d" % i
        trailing = dict(details.trailing_metadata())
        assert trailing["x-trailer"] == "last" and "'x-own', value='kept'" in trailing["x-seen"], trailing
        seen[name.decode()] += 1
    return seen


def parallel(channel, count):
    call = stub(channel, "unary_unary", "Unary")
    calls = [call.future(b"x" * 1000, timeout=20) for _ in range(int(count))]
    return sum(len(one.result()) > 1000 for one in calls)


def stream(channel, what):
    return sum(len(part) for part in stub(channel, "unary_stream", "Stream")(what.encode(), timeout=60))


def chat(channel, count):
    import queue
    out = queue.SimpleQueue()
    answers = stub(channel, "stream_stream", "Chat")(iter(out.get, None), timeout=60)
    right = 0
    for i in range(int(count)):
        out.put(b"message %d" % i)
        right += next(answers) == b"message %d" % i
    out.put(None)
    assert not list(answers)
    return right


def talk(channel):
    for answer in stub(channel, "stream_stream", "Chat")((line.encode() for line in sys.stdin), timeout=60):
        print(answer.decode(), end="", flush=True)
    sys.exit()


def collect(channel, what):
    size, _, count = what.partition("x")
    answer = stub(channel, "stream_unary", "Collect")((b"y" * int(size) for _ in range(int(count))), timeout=60)
    return int(answer)


def fail(channel, code):
    try:
        stub(channel, "unary_unary", "Fail")(code.encode(), timeout=20)
    except grpc.RpcError as problem:
        return [problem.code().name, problem.details()]
    return None


def stall(channel):
    call = stub(channel, "unary_stream", "Stream")(b"100000x10000", timeout=600)
    first = len(next(call))
    print("stalled", flush=True)
    sys.stdin.readline()
    call.cancel()
    return first


def flood(channel):
    count = 0

    def messages():
        nonlocal count
        while True:
            count += 1
            yield bytes(100000)
    call = stub(channel, "stream_unary", "Ignore").future(messages(), timeout=600)
    sys.stdin.readline()
    call.cancel()
    return count


def wait(channel):
    call = stub(channel, "unary_unary", "Wait").future(b"", timeout=60)
    sys.stdin.readline()
    call.cancel()
    return "cancelled"


def main():
    target, what, *arguments = sys.argv[1:]
    with grpc.insecure_channel(target) as channel:
        print(json.dumps(globals()[what](channel, *arguments)), flush=True)


if __name__ == "__main__":
    main()

"""How the demo talks, and how it waits."""
import time

from mesh import wait_until


class NotSeen(AssertionError):
    """What the demo claims did not happen."""


def say(text):
    print(text, flush=True)


def did(what, *seen):
    say(f"  * {what}")
    for text in seen:
        say(f"      -> {text}")


def quote(*lines):
    """What a program printed."""
    for line in lines:
        say(f"         {line}")


def quote_event(event, *fields):
    """These fields of a log line."""
    quote(" ".join(f"{field}={event.get(field)}" for field in ("event", *fields)))


def expect(condition, what):
    if not condition:
        raise NotSeen(what)


def until(condition, what):
    """Seconds until the condition was true."""
    start = time.monotonic()
    wait_until(condition, what, timeout=5.0)
    return time.monotonic() - start


def count(counter):
    """{"api-1": 3, "api-2": 4} as "api-1 answered 3 and api-2 answered 4"."""
    return " and ".join(f"{name} answered {number}" for name, number in sorted(counter.items()))

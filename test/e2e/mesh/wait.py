"""Waiting for conditions, never for time."""
import time


class Timeout(AssertionError):
    """A condition did not come true before its deadline."""


def wait_until(condition, what="the condition", timeout=10.0, every=0.01):
    """Calls `condition` until it returns something true, and returns that.

    An OSError, ValueError or LookupError counts as "not yet"; the last one is told when the deadline
    passes. `what` names the condition for whoever reads the failure.
    """
    deadline = time.monotonic() + timeout
    last = None
    while True:
        try:
            last = condition()
            if last:
                return last
        except (OSError, ValueError, LookupError) as problem:
            last = problem
        if time.monotonic() > deadline:
            raise Timeout(f"waited {timeout:g} s for {what}; the last answer was {last!r}")
        time.sleep(every)  # the pause between two looks, not a wait for time

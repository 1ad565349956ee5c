"""A client that never stops asking, to see what it notices of what is done meanwhile."""
import re

from .go import go_program
from .process import Process
from .programs import users
from .wait import wait_until


class Load:
    """`what` and what else apps/load.py tells; runs in a pod (or node) while the block does.

    "go-http" and "go-h2c": Go's own client, against test/go/peer.
    """

    def __init__(self, source, what, address, port, count=4):
        if what.startswith("go-"):
            self._process = source.mesh.start(Process(
                f"{source.name}-load-{what}",
                [go_program("peer"), "load", what[3:], f"{address}:{port}", count],
                source.net, source.mesh.folder, users()[1]))
            self._process.wait_for_log("asking")
            return
        self._process = source.run_app("load.py", what, address, str(port), str(count),
                                       label=f"load-{what}", expected_exit=(0,))

    def done(self):
        """Requests answered so far, a few less perhaps."""
        found = re.findall(r"^done (\d+)$", self._process.log(), re.M)
        return int(found[-1]) if found else 0

    def wait_for_more(self, count, timeout=30.0):
        self._process.must_run()
        until = self.done() + count
        wait_until(lambda: self.done() >= until, f"{count} more requests", timeout)

    def stop(self):
        """{"done": number, "failed": [texts], "connections": number}"""
        self._process.stop(30.0)
        return self._process.events("load")[-1]

    def __enter__(self):
        self.wait_for_more(100)
        return self

    def __exit__(self, *_):
        self._process.stop(30.0)

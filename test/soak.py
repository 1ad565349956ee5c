#!/usr/bin/python3
"""Traffic without a pause while everything changes: `make soak MINUTES=60`, best with SAN=1.

Endpoints come and go, policies are pushed, certificates rotate every few seconds, the controller is
killed and started again. At the end no call has failed, nothing has grown, and no sanitizer has
spoken (the topology library judges that).
"""
import argparse
import itertools
import random
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "e2e"))

from mesh import IS_SANITIZED, Mesh, call, wait_until, web_and_api  # noqa: E402

CALLERS = 4
GROWTH_BYTES = 4 << 20


class Soak:
    def __init__(self, mesh):
        self.mesh = mesh
        self.web, self.apis, self.service = web_and_api(mesh, apis=3)
        self.counts, self.failures, self.stop = [0] * CALLERS, [], threading.Event()

    @property
    def calls(self):
        return sum(self.counts)

    def keep_calling(self, number):
        while not self.stop.is_set():
            address = random.choice((self.service.ipv4, self.service.ipv6))
            try:
                call(self.web, address, 80, b"x" * random.choice((1, 100, 5000)))
            except OSError as problem:
                self.failures.append(f"{time.strftime('%T')} {problem!r}")
            self.counts[number] += 1

    # -- what changes; each is undone before the next -------------------------------------------

    def churn_endpoint(self):
        """One pod is not ready for a while; the others carry its load."""
        pod = random.choice(self.apis)
        pod.publish(is_ready=False)
        yield
        pod.publish()

    def push_policy(self):
        """A policy that concerns somebody else."""
        path = self.mesh.access_policy("not-you", {
            "action": "Deny", "rules": [{"from": [{"ipBlocks": ["203.0.113.0/24"]}]}]})
        yield
        self.mesh.manifests.remove(path)

    def break_manifest(self):
        path = self.mesh.manifests.write("broken.yaml", "kind: [\n")
        yield
        self.mesh.manifests.remove(path)

    def lose_controller(self):
        self.mesh.controller.kill()
        yield
        self.mesh.controller.restart()

    def run(self, seconds):
        callers = [threading.Thread(target=self.keep_calling, args=(number,))
                   for number in range(CALLERS)]
        for caller in callers:
            caller.start()
        level, end = None, time.monotonic() + seconds
        changes = (self.churn_endpoint, self.push_policy, self.break_manifest, self.lose_controller)
        try:
            for number, change in enumerate(itertools.cycle(changes)):
                if time.monotonic() >= end or self.failures:
                    break
                for _ in change():
                    self.wait_for_calls(300)
                self.wait_for_calls(300)
                if number == 2 * len(changes):
                    level = [proxy.resident_bytes() for proxy in self.mesh.proxies]
        finally:
            self.stop.set()
            for caller in callers:
                caller.join()
        return level

    def wait_for_calls(self, number):
        """Progress, not time: so many calls more."""
        target = self.calls + number
        wait_until(lambda: self.calls >= target or self.failures, "calls to go on", timeout=120,
                   every=0.05)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    seconds = parser.parse_args().minutes * 60
    with Mesh(leaf_ttl="10s") as mesh:
        soak = Soak(mesh)
        level = soak.run(seconds)
        certificates = sum(proxy.metric("outrigger_certificates_issued_total") for proxy in mesh.proxies)
        print(f"{soak.calls} calls, {len(soak.failures)} failed, "
              f"{certificates:.0f} certificates issued")
        assert not soak.failures, soak.failures[:10]
        for proxy, before in zip(mesh.proxies, level or []):
            grown = proxy.resident_bytes() - before
            print(f"{proxy.name}: {grown / 1024:+.0f} KiB since the first round")
            assert IS_SANITIZED or grown < GROWTH_BYTES, f"{proxy.name} has grown"
    return 0


if __name__ == "__main__":
    sys.exit(main())

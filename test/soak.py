#!/usr/bin/python3
"""Traffic without a pause while everything changes: `make soak MINUTES=60`, best with SAN=1 and
OUTRIGGER_WORKERS=4.

Opaque TCP, HTTP/1.1 kept alive and not, gRPC over HTTP/2. Endpoints come and go, policies are pushed,
certificates rotate every few seconds, the controller is killed and started again, a proxy is ended as a
pod's is, and begins anew. At the end no call has failed, nothing has grown, neither memory nor
descriptors, and no sanitizer has spoken (the topology library judges the latter two).
"""
import argparse
import contextlib
import itertools
import random
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "e2e"))

from mesh import IS_SANITIZED, Load, Mesh, call, wait_until, web_and_api  # noqa: E402

CALLERS = 4
GROWTH_BYTES = 4 << 20
GROWTH_DESCRIPTORS = 50  # how many connections there are differs from one moment to the other


class Soak:
    def __init__(self, mesh):
        self.mesh = mesh
        quiet = {"access_log": "false"}  # or the disk would be what is tested
        self.web, self.apis, self.service = web_and_api(mesh, apis=3, **quiet)
        # The soaked services are beside the opaque one, on the same pods.
        http = mesh.service("http", {"http": (80, 8081)}, selector={"app": "api"})
        grpc = mesh.service("grpc", {"grpc": (80, 8082)}, selector={"app": "api"})
        for pod in self.apis:
            pod.run_app("http_echo.py", "8081", "--name", pod.name)
            pod.run_app("grpc_echo.py", "8082", "--name", pod.name)
        self.loads = [Load(self.web, "http", *http.vip), Load(self.web, "close", *http.vip, count=1),
                      Load(self.web, "grpc", *grpc.vip)]
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

    def push_policy_of_requests(self):
        """It looks at each request, and allows all that are made here."""
        path = self.mesh.access_policy("requests", {
            "selector": {"matchLabels": {"app": "api"}}, "action": "Deny", "rules": [{"to": [
                {"paths": ["/never/*"], "methods": ["GET"], "ports": [8081, 8082]}]}]})
        yield
        self.mesh.manifests.remove(path)

    def restart_proxy(self):
        """As the proxy of a pod that is replaced; always the last, so that the others' level stays."""
        pod = self.apis[-1]
        pod.publish(is_ready=False)
        self.wait_for_calls(100)
        pod.proxy.signal(signal.SIGTERM)
        yield
        pod.proxy.wait(60)
        pod.proxy.judge()
        pod.proxy.start()
        pod.proxy.wait_ready()
        pod.publish()

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
        changes = (self.churn_endpoint, self.push_policy, self.break_manifest, self.lose_controller,
                   self.push_policy_of_requests, self.restart_proxy)
        try:
            for number, change in enumerate(itertools.cycle(changes)):
                if time.monotonic() >= end or self.failures:
                    break
                for _ in change():
                    self.wait_for_calls(300)
                self.wait_for_calls(300)
                if number == 2 * len(changes):
                    level = self.holds()
            return level, self.holds()
        finally:
            self.stop.set()
            for caller in callers:
                caller.join()
            for load in self.loads:
                with contextlib.suppress(AssertionError):
                    result = load.stop()
                    self.failures += result["failed"]
                    print(f"load: {result['done']} requests, {len(result['failed'])} failed")

    def holds(self):
        """{proxy: (resident bytes, descriptors)}, of those that are not restarted"""
        return {proxy: (proxy.resident_bytes(), proxy.descriptors())
                for proxy in self.mesh.proxies if proxy is not self.apis[-1].proxy}

    def wait_for_calls(self, number):
        """Progress, not time: so many calls more, and a quarter as many of each load."""
        target = self.calls + number
        wait_until(lambda: self.calls >= target or self.failures, "calls to go on", timeout=120,
                   every=0.05)
        for load in self.loads:
            load.wait_for_more(number // 4, timeout=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    seconds = parser.parse_args().minutes * 60
    # Renewed at two thirds: the rest must outlast a controller that is away, on a slow machine as well.
    with Mesh(leaf_ttl="40s") as mesh:
        soak = Soak(mesh)
        before, after = soak.run(seconds)
        certificates = sum(proxy.metric("outrigger_certificates_issued_total") for proxy in mesh.proxies)
        print(f"{soak.calls} calls, {len(soak.failures)} failed, "
              f"{certificates:.0f} certificates issued")
        assert not soak.failures, soak.failures[:10]
        for proxy, (memory, descriptors) in (before or {}).items():
            grown, more = after[proxy][0] - memory, after[proxy][1] - descriptors
            print(f"{proxy.name}: {grown / 1024:+.0f} KiB, {more:+d} descriptors since the second round")
            assert IS_SANITIZED or grown < GROWTH_BYTES, f"{proxy.name} has grown"
            assert more < GROWTH_DESCRIPTORS, f"{proxy.name} has more open"
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
"""HTTP through a pair of proxies, Outrigger beside its peers: the second half of `make bench`.

Peers: HAProxy with HTTP/2 over mutual TLS between, nginx with HTTP/1.1 between, Envoy when there is
one ($ENVOY), and the floor: a pair that only multiplexes bytes over one plaintext hop, unparsed. The
sides alternate within one run and are told as ratios of medians; CPU is the kernel's own count,
summed over the pair. All stand behind the same redirect, and none writes an access log. `bench_http.py small latency` runs these parts only.
"""
import functools
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE)]

import envoy  # noqa: E402
import haproxy  # noqa: E402
import nginx  # noqa: E402
from mesh import BUILD, Mesh, Process, users, wait_until  # noqa: E402
from sides import Side, alternate, machine, private_bytes  # noqa: E402

TOOLS = os.path.abspath(os.path.join(BUILD, "test/bench"))
HTTP_LOAD, FLOOR = os.path.join(TOOLS, "http_load"), os.path.join(TOOLS, "floor")
PORT = 8080
PORTS = (15001, 15006)  # the peers stand behind the same redirect as Outrigger
SECONDS = int(os.environ.get("SECONDS", "2"))
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
IDLE = min(int(os.environ.get("IDLE", "10000")), (DESCRIPTORS - 250) // 2)


class Bench:
    def __init__(self, mesh):
        self.mesh, self.results = mesh, {}
        service = mesh.service("load", {"http": (80, PORT)})
        self.server = mesh.pod("load", ports={"http": PORT}, access_log="false")
        self.client = mesh.pod("web", access_log="false")
        self._serve(self.server)
        self.outrigger = Side("outrigger", self.client, *service.vip,
                              [self.client.proxy, self.server.proxy])
        self.sides = [self.outrigger, self._floor(), self._haproxy(), self._nginx()]
        if envoy.PROGRAM:
            self.sides.append(self._envoy())
        self.direct = self._direct()

    def _start(self, node, name, uid, *command):
        process = self.mesh.start(Process(f"{node.name}-{name}", list(map(str, command)), node.net,
                                          self.mesh.folder, uid, (0, -15)))
        process.wait_for_log("ready")
        return process

    def _serve(self, node):
        self._start(node, "server", users()[1], HTTP_LOAD, "server", PORT)

    def _pods(self, name):
        """Two pods without a proxy of ours, whose connections are redirected all the same."""
        far, near = (self.mesh.pod(f"{name}-{end}", proxy=False) for end in ("server", "client"))
        for pod in (far, near):
            pod.redirect()
        self._serve(far)
        return near, far

    def _peer(self, name, start):
        near, far = self._pods(name)
        return Side(name, near, far.ipv4, 80, start(self.mesh, near, far, PORT, ports=PORTS,
                                                    uid=users()[0]))

    def _floor(self):
        def start(_mesh, near, far, backend, ports, uid):
            return [self._start(far, "floor", uid, FLOOR, "far", ports[1], "127.0.0.1", backend),
                    self._start(near, "floor", uid, FLOOR, "near", ports[0], far.ipv4, ports[1])]
        return self._peer("floor", start)

    def _haproxy(self):
        return self._peer("haproxy", functools.partial(haproxy.start_pair, maxconn=IDLE + 50,
                                                       protocol="h2"))

    def _nginx(self):
        return self._peer("nginx", nginx.start_pair)

    def _envoy(self):
        return self._peer("envoy", envoy.start_pair)

    def _direct(self):
        far, near = self.mesh.node("direct-server"), self.mesh.node("direct-client")
        self._serve(far)
        return Side("direct", near, far.ipv4, PORT, [])

    # -- what is measured ---------------------------------------------------------------------

    def table(self, title, seen, figures):
        """One line a side; each figure with Outrigger's ratio to it."""
        print(f"\n{title}\n{'':<12}" + "".join(f"{name + ' ' + unit:>24}{'ratio':>7}"
                                               for name, unit, _, _ in figures))
        for side in self.sides:
            if side.name not in seen:
                continue
            line = f"{side.name:<12}"
            for _, _, figure, scale in figures:
                value = seen[side.name][figure]["median"]
                ours = seen["outrigger"][figure]["median"]
                line += f"{value * scale:>24.1f}{ours / value if value else 0:>7.2f}"
            print(line, flush=True)

    def closed(self, name, connections, size, sides=None):
        def measure(side):
            result = side.load(HTTP_LOAD, "closed", connections, SECONDS, size)
            return {"per_second": result["requests"] / result["seconds"],
                    "cpu": result["cpu"] / result["requests"], "p99_us": result["p99_us"]}
        seen = self.results[name] = alternate(sides or self.sides, measure)
        self.table(f"{name}: {connections} connections, {size} bytes", seen,
                   [("CPU/request", "us", "cpu", 1e6), ("requests", "/s", "per_second", 1)])
        return seen

    def small(self):
        return self.closed("small", 64, 128)

    def large(self):
        return self.closed("large", 64, 65536)

    def one(self):
        return self.closed("one", 1, 128)

    def many(self):
        return self.closed("many", 1000, 128)

    def latency(self):
        """Added latency at a third of what Outrigger can do, over the way without proxies."""
        small = self.results.get("small") or self.small()
        rate = int(small["outrigger"]["per_second"]["median"] / 3)

        def measure(side):
            return side.load(HTTP_LOAD, "open", 64, SECONDS, 128, rate)
        seen = self.results["latency"] = alternate([*self.sides, self.direct], measure)
        print(f"\nlatency: open loop at {rate}/s, added to the way without proxies")
        for side in self.sides:
            added = [seen[side.name][f]["median"] - seen["direct"][f]["median"] for f in ("p50_us", "p99_us")]
            print(f"{side.name:<12}{added[0]:>10.0f} us p50{added[1]:>10.0f} us p99", flush=True)

    def idle(self):
        before = [private_bytes(process) for process in self.outrigger.processes]
        with self.client.net.entered():
            holder = subprocess.Popen([HTTP_LOAD, "idle", str(self.outrigger.address),
                                       str(self.outrigger.port), str(IDLE)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with holder:
            if holder.stdout.readline() != "ready\n":
                raise SystemExit("bench: idle connections could not be opened")
            each = [(private_bytes(process) - old) / IDLE
                    for process, old in zip(self.outrigger.processes, before)]
            holder.stdin.close()
        self.results["idle_bytes"] = each
        print(f"\nidle: {IDLE} plaintext HTTP connections at the client's proxy: {each[0] / 1024:.2f} KiB "
              f"each (goal: under 4); the server's: {each[1] / 1024:.2f}", flush=True)
        wait_until(lambda: not self.client.proxy.metric("outrigger_outbound_connections"),
                   "the idle connections to be gone", timeout=60)

    def memory(self):
        """At 1,000 requests a second over 100 connections."""
        self.outrigger.load(HTTP_LOAD, "open", 100, 5, 128, 1000)
        mib = [process.resident_bytes() / 2**20 for process in self.outrigger.processes]
        self.results["memory_mib"] = mib
        print(f"\nmemory after 1,000/s over 100 connections: {mib[0]:.1f} and {mib[1]:.1f} MiB resident "
              "(goal: at most 8)", flush=True)


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    about = {**machine(), "nginx": nginx.version(), "envoy": envoy.version()}
    print(" ".join(f"{key}={value}" for key, value in about.items()))
    with Mesh() as mesh:
        bench = Bench(mesh)
        for name in sys.argv[1:] or ("memory", "small", "latency", "large", "one", "many", "idle"):
            getattr(bench, name)()
        with open(os.path.join(BUILD, "bench_http.json"), "w", encoding="utf-8") as file:
            json.dump({"machine": about, **bench.results}, file, indent=1)
        for process in bench.outrigger.processes:
            process.note_level()
    return 0


if __name__ == "__main__":
    sys.exit(main())

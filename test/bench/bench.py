#!/usr/bin/python3
"""Outrigger beside HAProxy, both forwarding TCP over mutual TLS between two namespaces: `make bench`.

Every comparison alternates the sides within one run and is told as a ratio of medians, because the
machine's speed drifts; CPU is the kernel's own count for the two processes of a pair. All traffic
stays in the namespaces that this makes, and is bounded. `bench.py rest echo` runs these parts only. Prints a table; the numbers with their spread
go to bench.json in the build folder.
"""
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE)]

import haproxy  # noqa: E402
from sides import ROUNDS, Side, alternate, machine, private_bytes, spread  # noqa: E402
from mesh import BUILD, Mesh, Process, users, wait_until  # noqa: E402

LOAD = os.path.abspath(os.path.join(BUILD, "test/bench/load"))
PORT = 8080
# An idle connection takes two descriptors of a proxy, whose limit only root of the machine can raise.
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
IDLE = min(int(os.environ.get("IDLE", "10000")), (DESCRIPTORS - 250) // 2)


class Bench:
    def __init__(self, mesh):
        self.mesh, self.rows, self.results = mesh, [], {}
        service = mesh.service("load", {80: PORT})
        self.server = mesh.pod("load", ports={"tcp": PORT})
        self.client = mesh.pod("web")
        self.far, self.near = mesh.node("peer-server"), mesh.node("peer-client")
        for node in (self.server, self.far):
            mesh.start(Process(f"{node.name}-server", [LOAD, "server", str(PORT)], node.net, mesh.folder,
                               users()[1], (0, -15))).wait_for_log("ready")
        pair = haproxy.start_pair(mesh, self.near, self.far, PORT, IDLE + 50)
        self.direct = Side("direct", self.near, self.far.ipv4, PORT, [])
        self.haproxy = Side("haproxy", self.near, "127.0.0.1", haproxy.LOCAL_PORT, pair)
        self.outrigger = Side("outrigger", self.client, *service.vip,
                              [self.client.proxy, self.server.proxy])
        self.pairs = [self.outrigger, self.haproxy]

    def row(self, what, outrigger, peer="", ratio="", goal=""):
        self.rows.append((what, outrigger, peer, ratio, goal))
        print(f"{what:<46} {outrigger:>14} {peer:>14} {ratio:>8}  {goal}", flush=True)

    def compare(self, what, seen, figure, unit, scale, goal, digits=1):
        ours, theirs = (seen[side.name][figure]["median"] * scale for side in self.pairs)
        self.row(what, f"{ours:.{digits}f} {unit}", f"{theirs:.{digits}f} {unit}",
                 f"{ours / theirs:.2f}", goal)

    # -- what is measured ---------------------------------------------------------------------

    def bulk(self):
        mib = int(os.environ.get("BULK_MIB", "1024"))

        def measure(side):
            result = side.load(LOAD, "bulk", mib, 4)
            return {"mib_per_second": mib / result["seconds"], "cpu_per_gib": result["cpu"] * 1024 / mib}
        seen = self.results["bulk"] = alternate(self.pairs, measure)
        self.compare("bulk, 4 connections: throughput", seen, "mib_per_second", "MiB/s", 1, "at least 1", 0)
        self.compare("bulk: CPU of the pair for a GiB", seen, "cpu_per_gib", "s", 1, "at most 0.8", 3)

    def connect(self):
        count = 2000

        def measure(side):
            result = side.load(LOAD, "connect", count, 16)
            return {"per_second": count / result["seconds"], "cpu": result["cpu"] / count,
                    "per_core": count / result["cpu"]}
        seen = self.results["connect"] = alternate(self.pairs, measure)
        self.compare("new mTLS connections a second and core", seen, "per_core", "/s", 1,
                     "at least 1.5", 0)
        self.compare("new mTLS connection: CPU of the pair", seen, "cpu", "us", 1e6, "", 0)
        self.compare("new mTLS connections a second, 16 at a time", seen, "per_second", "/s", 1, "", 0)

    def echo(self):
        def measure(side):
            return side.load(LOAD, "echo", 2000, 3, 16, 128)
        seen = self.results["echo"] = alternate([*self.pairs, self.direct], measure)
        for figure in ("p50_us", "p99_us"):
            base = seen["direct"][figure]["median"]
            ours, theirs = (seen[side.name][figure]["median"] - base for side in self.pairs)
            self.row(f"echo of 128 bytes, 2000/s: added {figure[:3]}", f"{ours:.0f} us",
                     f"{theirs:.0f} us", f"{ours / theirs:.2f}" if theirs > 0 else "", "")
        self.compare("echo: CPU of the pair for an exchange", seen, "cpu", "us", 1e6 / 6000, "", 1)

    def idle(self):
        def hold(side, watched):
            before = [private_bytes(process) for process in watched]
            with side.node.net.entered():
                holder = subprocess.Popen([LOAD, "idle", str(side.address), str(side.port), str(IDLE)],
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            with holder:
                if holder.stdout.readline() != "ready\n":
                    raise SystemExit(f"bench: {side.name}: idle connections could not be opened")
                each = [(private_bytes(process) - old) / IDLE for process, old in zip(watched, before)]
                holder.stdin.close()
            wait_until(lambda: not self.client.proxy.metric("outrigger_outbound_connections"),
                       "the idle connections to be gone", timeout=60)
            return each

        ours, theirs = hold(self.outrigger, self.outrigger.processes), hold(self.haproxy,
                                                                            self.haproxy.processes)
        for end, us, them in zip(("client", "server"), ours, theirs):
            self.row(f"{IDLE} idle mTLS connections, {end} side: each", f"{us / 1024:.1f} KiB",
                     f"{them / 1024:.1f} KiB", f"{us / them:.2f}", "under 16 KiB")
        self.client.proxy.stop()  # what it had freed would be used again and hide the cost
        self.client.proxy.start()
        self.client.proxy.wait_ready()
        plain = Side("plaintext", self.client, self.far.ipv4, PORT, [])
        each = hold(plain, [self.client.proxy])[0]
        self.row(f"{IDLE} idle plaintext connections: each", f"{each / 1024:.2f} KiB", "", "",
                 "under 2 KiB")
        self.results["idle_bytes"] = {"outrigger": ours, "haproxy": theirs, "plaintext": each}

    def rest(self):
        at_rest = spread([process.resident_bytes() / 2**20 for process in self.outrigger.processes])
        self.results["at_rest_mib"] = at_rest
        for side in self.pairs:
            side.load(LOAD, "connect", 200, 4)
        busy = spread([process.resident_bytes() / 2**20 for process in self.outrigger.processes])
        self.results["after_traffic_mib"] = busy
        self.row("a proxy at rest: resident", f"{at_rest['median']:.1f} MiB",
                 f"{self.haproxy.processes[0].resident_bytes() / 2**20:.1f} MiB", "", "under 5 MiB")
        self.row("after 200 connections: resident", f"{busy['median']:.1f} MiB",
                 f"{self.haproxy.processes[0].resident_bytes() / 2**20:.1f} MiB")
        times = []
        for _ in range(ROUNDS):
            self.client.proxy.stop()
            start = time.monotonic()
            self.client.proxy.start()
            wait_until(self.client.proxy.is_ready, "the proxy to be ready", every=0.001)
            times.append((time.monotonic() - start) * 1000)
        self.results["ready_ms"] = spread(times)
        self.row("start to ready", f"{statistics.median(times):.0f} ms", "", "", "within 50 ms")

    def run(self):
        self.row("", "Outrigger", "HAProxy", "ratio", "goal")
        for name in sys.argv[1:] or ("rest", "bulk", "connect", "echo", "idle"):
            getattr(self, name)()


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    about = machine()
    print(" ".join(f"{key}={value}" for key, value in about.items()))
    with Mesh() as mesh:
        bench = Bench(mesh)
        bench.run()
        with open(os.path.join(BUILD, "bench.json"), "w", encoding="utf-8") as file:
            json.dump({"machine": about, **bench.results}, file, indent=1)
        # Memory is given back by the allocator as it likes; the leak check is the tests' business.
        for process in bench.outrigger.processes:
            process.note_level()
    return 0


if __name__ == "__main__":
    sys.exit(main())

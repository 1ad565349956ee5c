"""What the benchmarks share: a side is one way from a client to a server, and rounds alternate them."""
import json
import os
import platform
import statistics
import subprocess

ROUNDS = int(os.environ.get("ROUNDS", "5"))


class Side:
    """One way from a client to a server: where to dial, and whose CPU counts."""

    def __init__(self, name, node, address, port, processes):
        self.name, self.node, self.address, self.port = name, node, address, port
        self.processes = processes

    def cpu(self):
        """CPU seconds used so far by the pair, from the scheduler's nanosecond accounts."""
        total = 0
        for process in self.processes:
            for task in os.listdir(f"/proc/{process.pid}/task"):
                with open(f"/proc/{process.pid}/task/{task}/schedstat", encoding="ascii") as file:
                    total += int(file.read().split()[0])
        return total / 1e9

    def load(self, tool, mode, *arguments):
        """Runs the generator; its result, with the CPU that the pair spent meanwhile."""
        before = self.cpu()
        command = [tool, mode, str(self.address), str(self.port), *map(str, arguments)]
        done = self.node.net.run(*command, check=False, capture_output=True)
        if done.returncode != 0:
            raise SystemExit(f"bench: {self.name}: {mode}: {done.stderr.strip()}")
        return {**json.loads(done.stdout), "cpu": self.cpu() - before}


def private_bytes(process):
    """Resident memory that is not shared with files: what more connections add to."""
    with open(f"/proc/{process.pid}/smaps_rollup", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file if ":" in line and "-" not in line.split()[0])
    return (int(fields["Private_Dirty"].split()[0]) + int(fields["Private_Clean"].split()[0])) * 1024


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values),
            "n": len(values)}


def alternate(sides, measure, rounds=ROUNDS):
    """{side name: {figure: spread}} of that many rounds after one that does not count."""
    seen = {side.name: [] for side in sides}
    for number in range(rounds + 1):
        for side in sides if number % 2 else reversed(sides):
            result = measure(side)
            if number:
                seen[side.name].append(result)
    return {name: {figure: spread([result[figure] for result in results]) for figure in results[0]}
            for name, results in seen.items()}


def machine():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "?")
    version = subprocess.run(["/usr/sbin/haproxy", "-v"], capture_output=True, text=True, check=True)
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(),
            "haproxy": version.stdout.split()[2], "rounds": ROUNDS}

#!/usr/bin/python3
"""What each feature costs a request: pairs of proxies with one feature more, beside a plain pair.

The sides alternate within one run; a ratio is of medians of CPU, summed over the pair. Metrics cannot
be turned off: what counting costs is measured alone, and told as a share of the plain pair's CPU.
`bench_features.py plain access_log` runs these sides only.
"""
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE)]

from mesh import BUILD, Mesh, Process, users  # noqa: E402
from sides import Side, alternate, machine  # noqa: E402

TOOLS = os.path.abspath(os.path.join(BUILD, "test/bench"))
HTTP_LOAD, COUNTING = os.path.join(TOOLS, "http_load"), os.path.join(TOOLS, "counting")
PORT, CONNECTIONS, SIZE = 8080, 64, 128
SECONDS = int(os.environ.get("SECONDS", "2"))


def policy(rules):
    """Allows what only the last of its rules allows."""
    others = [{"to": [{"methods": ["GET"], "paths": [f"/api/{i}/*"]}]} for i in range(rules - 1)]
    return {"action": "Allow", "rules": [*others, {"to": [{"methods": ["GET"]}]}]}


# Each side: what it is called, the options of both proxies, and the policy at the server.
FEATURES = [
    ("plain", {}, None),
    ("access_log", {"access_log": "true"}, None),
    ("policy_1", {}, policy(1)),
    ("policy_100", {}, policy(100)),
    ("policy_1000", {}, policy(1000)),
]


def side(mesh, name, options, spec):
    word = name.replace("_", "")  # of names: a number at the end would be a replica's
    options = {"access_log": "false", **options}
    service = mesh.service(f"{word}-server", {"http": (80, PORT)}, selector={"app": f"{word}-server"})
    server = mesh.pod(f"{word}-server", ports={"http": PORT}, **options)
    client = mesh.pod(f"{word}-client", **options)
    process = mesh.start(Process(f"{name}-http", [HTTP_LOAD, "server", str(PORT)], server.net,
                                 mesh.folder, users()[1], (0, -15)))
    process.wait_for_log("ready")
    if spec:
        spec["targetRefs"] = [{"kind": "Service", "name": service.name}]
        mesh.access_policy(word, spec)
    return Side(name, client, *service.vip, [client.proxy, server.proxy])


def closed(one):
    result = one.load(HTTP_LOAD, "closed", CONNECTIONS, SECONDS, SIZE)
    return {"cpu": result["cpu"] / result["requests"],
            "per_second": result["requests"] / result["seconds"]}


def table(seen, counting):
    plain = seen["plain"]["cpu"]["median"]
    print(f"\nfeatures: {CONNECTIONS} connections, {SIZE} bytes\n{'':<24}{'CPU/request us':>16}"
          f"{'ratio':>8}{'requests /s':>14}")
    for name, figures in seen.items():
        cpu = figures["cpu"]["median"]
        print(f"{name:<24}{cpu * 1e6:>16.1f}{cpu / plain:>8.2f}{figures['per_second']['median']:>14.0f}")
    for name, figure in (("metrics", "counted_ns"), ("metrics with exemplars", "with_exemplar_ns")):
        cpu = 2 * counting[figure] / 1e9  # at both proxies
        print(f"{name:<24}{cpu * 1e6:>16.3f}{plain / (plain - cpu):>8.3f}", flush=True)


def main():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    counting = json.loads(subprocess.check_output([COUNTING]))
    wanted = {"plain", *sys.argv[1:]}
    with Mesh() as mesh:
        sides = [side(mesh, *feature) for feature in FEATURES
                 if len(wanted) == 1 or feature[0] in wanted]
        seen = alternate(sides, closed)
        table(seen, counting)
        with open(os.path.join(BUILD, "bench_features.json"), "w", encoding="utf-8") as file:
            json.dump({"machine": machine(), "features": seen, "counting": counting}, file, indent=1)
        for proxy in mesh.proxies:
            proxy.note_level()
    return 0


if __name__ == "__main__":
    sys.exit(main())

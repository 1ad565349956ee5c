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

from mesh import BUILD, Mesh, Process, users, wait_until  # noqa: E402
from mesh.programs import PYTHON  # noqa: E402
from sides import Side, alternate, machine  # noqa: E402

TOOLS = os.path.abspath(os.path.join(BUILD, "test/bench"))
HTTP_LOAD, COUNTING = os.path.join(TOOLS, "http_load"), os.path.join(TOOLS, "counting")
PORT, SPANS_PORT, CONNECTIONS, SIZE = 8080, 4317, 64, 128
SECONDS = int(os.environ.get("SECONDS", "2"))


def policy(rules):
    """Allows what only the last of its rules allows."""
    others = [{"to": [{"methods": ["GET"], "paths": [f"/api/{i}/*"]}]} for i in range(rules - 1)]
    return {"action": "Allow", "rules": [*others, {"to": [{"methods": ["GET"]}]}]}


LOG = {"access_log": "true"}
LINE = "{time} {method} {path} {status} {duration_us} {endpoint} {request_id}"

# Each side: what it is called, the options of both proxies, and the policy at the server.
FEATURES = [
    ("plain", {}, None),
    ("access_log", LOG, None),
    ("access_log_format", {**LOG, "access_log_format": LINE}, None),
    ("access_log_sampled", {**LOG, "access_log_filter": "sample=0.01"}, None),
    ("access_log_5xx", {**LOG, "access_log_filter": "status=5xx"}, None),
    ("tracing_1_percent", {"trace_sampling": "0.01"}, None),
    ("tracing_100_percent", {"trace_sampling": "1"}, None),
    ("policy_1_rule", {}, policy(1)),
    ("policy_100_rules", {}, policy(100)),
    ("policy_1000_rules", {}, policy(1000)),
]


def start_sink(mesh):
    """Where the spans go: host:port."""
    node = mesh.node("sink")
    sink = mesh.start(Process("span-sink", [PYTHON, str(HERE / "span_sink.py"), str(SPANS_PORT)],
                              node.net, mesh.folder, users()[1]))
    sink.wait_for_log("ready")
    return f"{node.ipv4}:{SPANS_PORT}"


def side(mesh, sink, name, options, spec):
    word = name.replace("_", "-")
    options = {"access_log": "false", **options}
    if "trace_sampling" in options:
        options["otlp_endpoint"] = sink
    service = mesh.service(f"{word}-server", {"http": (80, PORT)})
    server = mesh.pod(f"{word}-server", ports={"http": PORT}, **options)
    client = mesh.pod(f"{word}-client", **options)
    process = mesh.start(Process(f"{name}-http", [HTTP_LOAD, "server", str(PORT)], server.net,
                                 mesh.folder, users()[1], (0, -15)))
    process.wait_for_log("ready")
    if spec:
        mesh.access_policy(word, {"selector": {"matchLabels": {"app": f"{word}-server"}}, **spec})
        wait_until(lambda: f"demo/{word}" in server.proxy.admin("/policies").text, "the policy")
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


def tell_lost(mesh):
    """What a feature leaves out under pressure makes it look cheaper than it is."""
    for proxy in mesh.proxies:
        lines = proxy.metric("outrigger_log_lines_dropped_total")
        sent = proxy.metric("outrigger_spans_total", outcome="sent")
        spans = proxy.metric("outrigger_spans_total") - sent
        if lines or spans:
            print(f"{proxy.name}: {lines:.0f} log lines dropped; {spans:.0f} spans lost, {sent:.0f} sent")


def main():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    counting = json.loads(subprocess.check_output([COUNTING]))
    wanted = {"plain", *sys.argv[1:]}
    with Mesh() as mesh:
        sink = start_sink(mesh)
        sides = [side(mesh, sink, *feature) for feature in FEATURES
                 if len(wanted) == 1 or feature[0] in wanted]
        seen = alternate(sides, closed)
        table(seen, counting)
        with open(os.path.join(BUILD, "bench_features.json"), "w", encoding="utf-8") as file:
            json.dump({"machine": machine(), "features": seen, "counting": counting}, file, indent=1)
        tell_lost(mesh)
        for proxy in mesh.proxies:
            proxy.note_level()
    return 0


if __name__ == "__main__":
    sys.exit(main())

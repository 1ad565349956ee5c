#!/usr/bin/python3
"""The whole mesh at work on real traffic: `make demo`.

Two pods of `api` behind one Service address, two pods that call it (`web`, `admin`), one machine
outside of the mesh, one controller: each in a network namespace of its own, each pod with its own
outrigger-init and outrigger-proxy. Every line says what was done and what was seen; the first thing
that is not seen ends it with exit code 1. With --keep the mesh stays up, with a list of things to try.
"""
import argparse
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

from calls import Calls  # noqa: E402
from connections import Connections  # noqa: E402
from decide import Decide  # noqa: E402
from mesh import Mesh  # noqa: E402
from restart import Restart  # noqa: E402
from stage import ECHO, GRPC, HTTP, Stage  # noqa: E402
from story import did, say  # noqa: E402
from watch import Watch  # noqa: E402


class Demo:
    def __init__(self, mesh):
        self.mesh = mesh
        self.stage = Stage(mesh)
        service = self.stage.service
        did("start a controller, pods api-1, api-2, web and admin, and a machine outside of the mesh",
            f"all ready after {self.stage.seconds:.1f} s; the Service api is at {service.ipv4}, an "
            f"address that exists nowhere: HTTP on port 80, gRPC on {GRPC}, plain TCP on {ECHO}")

    def cost(self):
        say("\nWhat it cost (resident memory, of which shared libraries; CPU since the start):")
        for process in (*self.mesh.proxies, self.mesh.controller.process):
            with open(f"/proc/{process.pid}/statm", encoding="ascii") as file:
                shared = int(file.read().split()[2]) * 4096
            say(f"  {process.name:<14} {process.resident_bytes() / 2**20:5.1f} MiB "
                f"({shared / 2**20:.1f} shared)   {process.cpu_seconds() * 1000:6.0f} ms")

    def run(self):
        connections, calls = Connections(self.stage), Calls(self.stage)
        watch, restart, decide = Watch(self.stage), Restart(self.stage), Decide(self.stage)
        for title, scene in (("One address, two pods", connections.balance),
                             ("Mutual TLS on the wire", connections.encrypt),
                             ("Strict mode", connections.be_strict),
                             ("Who may connect", connections.authorize),
                             ("HTTP and gRPC", calls.travel),
                             ("Who may ask what", calls.authorize),
                             ("A canary", decide.canary),
                             ("A rate limit", decide.limit),
                             ("Tokens of users", decide.tokens),
                             ("An endpoint that fails", decide.be_resilient),
                             ("Live requests", watch.tap),
                             ("One trace through both proxies", watch.trace),
                             ("Certificate rotation", connections.rotate),
                             ("The controller goes away", connections.lose_controller),
                             ("Rolling restart under load", restart.roll)):
            say(f"\n{title}")
            scene()
        self.cost()

    def keep(self):
        # Without root, what stands here stands in a user namespace: whoever looks must go there too.
        user = "" if is_initial_user_namespace() else \
            f" --target={os.getpid()} --user --preserve-credentials"

        def inside(node, command):
            return f"nsenter{user} --net={node.net.path} {command}"

        say("\nThe mesh stays up until you press Ctrl-C. In another terminal, as the same user, try:\n")
        web, api, service = self.stage.web, self.stage.apis[0], self.stage.service
        for what, command in (
                ("a request", inside(web, f"curl -si http://{service.ipv4}/orders")),
                ("the proxy's page for people", inside(web, "curl -s http://127.0.0.1:15000/")),
                ("who is connected", inside(api, "curl -s http://127.0.0.1:15000/connections")),
                ("its requests, live", inside(web, "curl -sN http://127.0.0.1:15000/tap")),
                ("why a request goes where it goes",
                 inside(web, f"curl -s 'http://127.0.0.1:15000/explain?destination={service.ipv4}:80&path=/orders'")),
                ("certificates", inside(web, "curl -s http://127.0.0.1:15000/certificates")),
                ("metrics", inside(api, "curl -s http://127.0.0.1:15000/metrics")),
                ("refused in strict mode", inside(self.stage.outside, f"curl -sSi http://{api.ipv4}:{HTTP}/")),
                ("the redirect", inside(web, "/usr/sbin/nft list table inet outrigger")),
                ("the controller's view",
                 inside(self.mesh.controller, "curl -s http://127.0.0.1:15014/proxies"))):
            say(f"  {what}:\n    {command}")
        say(f"\n  the manifests, followed as you edit them: {self.mesh.manifests.folder}\n"
            f"  the logs: {self.mesh.folder}/*.log")
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


def is_initial_user_namespace():
    return Path("/proc/self/uid_map").read_text(encoding="ascii").split() == ["0", "0", "4294967295"]


def main():
    parser = argparse.ArgumentParser(description="shows the whole mesh at work")
    parser.add_argument("--keep", action="store_true", help="leave it up and print what to try")
    arguments = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT} if arguments.keep else set())
    try:
        with Mesh(leaf_ttl="15s") as mesh:
            mesh.leaf_ttl = "15 s"
            demo = Demo(mesh)
            demo.run()
            if arguments.keep:
                demo.keep()
    except AssertionError as problem:
        print(f"\nNOT SEEN: {problem}", file=sys.stderr)
        return 1
    say("\nEverything was seen.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

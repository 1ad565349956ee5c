#!/usr/bin/python3
"""The whole mesh at work on real traffic: `make demo`.

Two pods of `api` behind one Service address, one pod of `web` that calls it, one machine outside of the
mesh, one controller: each in a network namespace of its own, each pod with its own outrigger-init and
outrigger-proxy. Every line says what was done and what was seen; the first thing that is not seen ends
it with exit code 1. With --keep the mesh stays up, with a list of things to try.
"""
import argparse
import collections
import os
import signal
import struct
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "e2e"))

from mesh import Mesh, tls_records, tls_version, wait_until  # noqa: E402

SECRET = b"the launch code is 000000"
PORT = 8080
TLS_1_3 = 0x0304


class NotSeen(AssertionError):
    """What the demo claims did not happen."""


def say(text):
    print(text, flush=True)


def did(what, seen):
    say(f"  * {what}\n      -> {seen}")


def expect(condition, what):
    if not condition:
        raise NotSeen(what)


def call(source, address, port, message=b"hello"):
    """One call; the name of the pod that answered. OSError when it was refused."""
    with source.connect(address, port, timeout=5.0) as client:
        client.sendall(message)
        answer = b""
        while not answer.endswith(message):
            part = client.recv(65536)
            if not part:
                raise ConnectionError("closed without an answer")
            answer += part
        return answer.split(b"\n")[0].decode()


def is_refused(source, address, port):
    try:
        call(source, address, port)
    except OSError:
        return True
    return False


def until(condition, what):
    """Seconds until the condition was true."""
    start = time.monotonic()
    wait_until(condition, what, timeout=5.0)
    return time.monotonic() - start


class Demo:
    def __init__(self, mesh):
        self.mesh = mesh
        start = time.monotonic()
        self.api = mesh.service("api", {80: PORT})
        self.apis = [mesh.pod(name, ports={"tcp": PORT}) for name in ("api-1", "api-2")]
        for pod in self.apis:
            pod.run_app("echo.py", str(PORT), "--name", pod.name)
        self.web = mesh.pod("web")
        self.outside = mesh.node("outside")
        did("start a controller, pods api-1, api-2 and web, and a machine outside of the mesh",
            f"all proxies ready after {time.monotonic() - start:.1f} s; the Service api is at "
            f"{self.api.ipv4}:80, an address that exists nowhere")

    # -- the scenes ---------------------------------------------------------------------------

    def balance(self):
        answers = collections.Counter(call(self.web, *self.api.vip) for _ in range(40))
        expect(len(answers) == 2, f"both pods answer; seen {dict(answers)}")
        did(f"web calls {self.api.ipv4}:80 forty times",
            " and ".join(f"{name} answered {n}" for name, n in sorted(answers.items())))
        answers = collections.Counter(call(self.web, *self.api.vip6) for _ in range(20))
        expect(len(answers) == 2, f"both pods answer over IPv6; seen {dict(answers)}")
        did(f"the same over IPv6, [{self.api.ipv6}]:80, twenty times",
            " and ".join(f"{name} answered {n}" for name, n in sorted(answers.items())))

    def encrypt(self):
        recorders = [pod.record() for pod in self.apis]
        name = call(self.web, *self.api.vip, SECRET)
        for recorder in recorders:
            recorder.stop()
        streams = [stream for recorder in recorders for stream in recorder.streams()]
        secrets = sum(recorder.contains(SECRET) for recorder in recorders)
        from_api = [s.data for s in streams if s.source[1] == PORT]
        versions = {tls_version(data) for data in from_api if tls_records(data)}
        size = sum(len(stream.data) for stream in streams)
        expect(secrets == 0, "the secret is not on the wire")
        expect(versions == {TLS_1_3}, f"TLS 1.3 is on the wire; seen {versions}")
        did(f'web sends "{SECRET.decode()}" to api while every byte between the pods is recorded',
            f"{name} got it; the {size} bytes on the wire hold TLS 1.3 and no plaintext")

    def be_strict(self):
        target = self.apis[0].ipv4, PORT
        name = call(self.outside, *target)
        did("the machine outside calls api-1 in plaintext; the mode is permissive",
            f"{name} answered")
        self.mesh.namespace("demo", {"outrigger.dev/mtls-mode": "strict"})
        seconds = until(lambda: is_refused(self.outside, *target), "the strict mode to hold")
        event = self.apis[0].proxy.wait_for_event("connection_refused", reason="plaintext_refused")
        call(self.web, *self.api.vip)
        did("annotate the namespace with outrigger.dev/mtls-mode: strict, and call again",
            f"refused after {seconds * 1000:.0f} ms, while web goes on; api-1's log says why:")
        say("         " + " ".join(f"{key}={value}" for key, value in event.items()
                                   if key not in ("time", "level")))

    def authorize(self):
        policy = self.mesh.access_policy("no-web", {
            "selector": {"matchLabels": {"app": "api"}},
            "action": "Deny",
            "rules": [{"from": [{"serviceAccounts": ["web"]}], "to": [{"ports": [PORT]}]}]})
        seconds = until(lambda: is_refused(self.web, *self.api.vip), "the policy to take effect")
        expect(seconds < 1, f"the policy takes effect in under a second; it took {seconds:.2f} s")
        events = wait_until(lambda: [event for pod in self.apis for event in
                                     pod.proxy.events("connection_refused", policy="demo/no-web")],
                            "the refusal to be logged")
        did("drop an AccessPolicy that denies web into the folder",
            f"refused after {seconds * 1000:.0f} ms; the log names the policy {events[0]['policy']} "
            f"and the identity {events[0].get('source_identity', '?')}")
        self.mesh.manifests.remove(policy)
        seconds = until(lambda: not is_refused(self.web, *self.api.vip), "the policy to be gone")
        expect(seconds < 1, f"the removal takes effect in under a second; it took {seconds:.2f} s")
        did("remove the file", f"allowed again after {seconds * 1000:.0f} ms")

    def serials(self):
        pods = (self.web, *self.apis)
        return [pod.proxy.admin("/certificates").json()["serial"] for pod in pods]

    def rotate(self):
        client = self.web.connect(*self.api.vip)
        before, counter = self.serials(), 0

        def exchange():
            nonlocal counter
            message = struct.pack("!Q", counter) * 1024
            client.sendall(message)
            got = b""
            while len(got) < len(message) + (len(name) if counter == 0 else 0):
                part = client.recv(65536)
                expect(part, "the transfer goes on through the rotation")
                got += part
                if counter == 0 and b"\n" in got[:16]:
                    name[:] = got[:got.index(b"\n") + 1]
            expect(got.endswith(message), "the bytes come back as they were sent")
            counter += 1
            return all(old != new for old, new in zip(before, self.serials()))

        name = bytearray()
        with client:
            wait_until(exchange, "every proxy to have a new certificate", timeout=60, every=0.05)
            exchange()
        did(f"keep one transfer running until all three proxies have renewed their certificates "
            f"({self.mesh.leaf_ttl} lifetime)",
            f"{counter} exchanges of 8 KiB on the one connection, none lost, none altered")

    def lose_controller(self):
        failed, calls, stop = [], 0, threading.Event()

        def keep_calling():
            nonlocal calls
            while not stop.is_set():
                try:
                    call(self.web, *self.api.vip)
                except OSError as problem:
                    failed.append(problem)
                calls += 1

        caller = threading.Thread(target=keep_calling)
        caller.start()
        try:
            self.mesh.controller.kill()
            wait_until(lambda: self.web.proxy.metric("outrigger_control_connected") == 0,
                       "web's proxy to notice")
            expect(self.web.proxy.admin("/readyz").status == 200, "the proxy stays ready")
            seen = calls
            wait_until(lambda: calls > seen + 20, "calls to go on without a controller")
            self.mesh.controller.restart()
            seconds = until(lambda: all(proxy.metric("outrigger_control_connected") == 1
                                        for proxy in self.mesh.proxies), "all to be back")
            seen = calls
            wait_until(lambda: calls > seen + 20, "calls to go on with the new controller")
        finally:
            stop.set()
            caller.join()
        expect(not failed, f"no call fails; {len(failed)} of {calls} did, the first: {failed[:1]}")
        did("kill the controller and start it again, while web calls without a pause",
            f"{calls} calls, none failed; proxies stayed ready and were back {seconds:.1f} s after "
            "the controller")

    def cost(self):
        say("\nWhat it cost (resident memory, of which shared libraries; CPU since the start):")
        for process in (*self.mesh.proxies, self.mesh.controller.process):
            with open(f"/proc/{process.pid}/statm", encoding="ascii") as file:
                shared = int(file.read().split()[2]) * 4096
            say(f"  {process.name:<14} {process.resident_bytes() / 2**20:5.1f} MiB "
                f"({shared / 2**20:.1f} shared)   {process.cpu_seconds() * 1000:6.0f} ms")

    def run(self):
        for title, scene in (("One address, two pods", self.balance),
                             ("Mutual TLS on the wire", self.encrypt),
                             ("Strict mode", self.be_strict),
                             ("Authorization", self.authorize),
                             ("Certificate rotation", self.rotate),
                             ("The controller goes away", self.lose_controller)):
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
        for what, command in (
                ("a call", inside(self.web, f"sh -c 'echo hi | nc -q1 {self.api.ipv4} 80'")),
                ("the proxy's page for people", inside(self.web, "curl -s http://127.0.0.1:15000/")),
                ("who is connected", inside(self.apis[0], "curl -s http://127.0.0.1:15000/connections")),
                ("certificates", inside(self.web, "curl -s http://127.0.0.1:15000/certificates")),
                ("metrics", inside(self.apis[0], "curl -s http://127.0.0.1:15000/metrics")),
                ("refused in strict mode", inside(self.outside, f"nc -w1 {self.apis[0].ipv4} {PORT}")),
                ("the redirect", inside(self.web, "/usr/sbin/nft list table inet outrigger")),
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

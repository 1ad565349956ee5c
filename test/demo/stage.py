"""Who plays in the demo: `api` behind one Service address, its callers, somebody outside."""
import collections
import time

from mesh import ask, users
from mesh.process import Process
from mesh.programs import PYTHON, app

HTTP, GRPC, ECHO = 8080, 50051, 7000  # the ports of an api pod
OTLP = 4317
PORTS = {"http": HTTP, "grpc": GRPC, "tcp-echo": ECHO}


class Stage:
    def __init__(self, mesh):
        self.mesh = mesh
        start = time.monotonic()
        self.service = mesh.service("api", {"http": (80, HTTP), "grpc": (GRPC, GRPC),
                                            "tcp-echo": (ECHO, ECHO)})
        self.collector = mesh.node("collector")
        self.collector.run_app("otlp_receiver.py", str(OTLP))
        self.apis = [self.start_api(f"api-{i}") for i in (1, 2)]
        self.web, self.admin = (mesh.pod(name, **self.tracing()) for name in ("web", "admin"))
        self.outside = mesh.node("outside")
        self.seconds = time.monotonic() - start

    def tracing(self):
        """Spans of the traces that somebody wants, and of no others."""
        return {"otlp_endpoint": f"{self.collector.ipv4}:{OTLP}", "trace_sampling": "0"}

    def start_api(self, name):
        """A pod of api: ready, in Kubernetes' sense too, when this returns."""
        pod = self.mesh.pod(name, labels={"app": "api", "pod": name}, ports=PORTS, is_ready=False, **self.tracing())
        for application, port in (("http_api.py", HTTP), ("grpc_server.py", GRPC), ("echo.py", ECHO)):
            pod.run_app(application, str(port), "--name", name)
        pod.publish()
        return pod

    # -- calls, as an application in a pod makes them -------------------------------------------

    def get(self, source, path, **options):
        return ask(source, self.service.ipv4, 80, path, **options)

    def call(self, source, *methods):
        """gRPC calls on one channel; a line for each: the status, then the answer or the message."""
        done = source.net.run(PYTHON, app("grpc_client.py"), f"{self.service.ipv4}:{GRPC}", *methods)
        return done.stdout.splitlines()

    def load(self, target):
        return Load(self.mesh, self.web, target)


class Load:
    """apps/caller.py in a pod: calls without a pause, and nothing is tried twice."""

    def __init__(self, mesh, pod, target):
        self.process = mesh.start(Process(
            f"{pod.name}-calls-{target.partition(':')[0]}", [PYTHON, "-u", app("caller.py"), target],
            pod.net, mesh.folder, users()[1]))

    def _lines(self):
        return [line.split(" ", 2) for line in self.process.log().splitlines()]

    def done(self):
        return len(self._lines())

    def failed(self):
        """What went wrong, one text a call."""
        return [" ".join(line[1:]) for line in self._lines() if line[0] != "ok"]

    def answers(self):
        """How many calls each pod answered."""
        return collections.Counter(line[1] for line in self._lines() if line[0] == "ok")

    def milliseconds(self):
        """How long each call took, sorted."""
        return sorted(int(line[2]) / 1000 for line in self._lines() if line[0] == "ok")

    def stop(self):
        self.process.stop()

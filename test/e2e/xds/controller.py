"""A controller on this machine's loopback, with a folder of manifests."""
import contextlib
import os
import shutil
import subprocess
import tempfile

from mesh import http
from mesh.manifests import Manifests
from mesh.process import Process
from mesh.programs import program
from mesh.wait import wait_until

from .client import certify
from .relay import TlsRelay


class Here:
    """The namespace we are in."""

    def join(self):
        pass

    def entered(self):
        return contextlib.nullcontext()


class LocalController:
    def __init__(self, **options):
        self.folder = tempfile.mkdtemp(prefix="outrigger-controller-")
        self.manifests = Manifests(os.path.join(self.folder, "manifests"))
        self.state = os.path.join(self.folder, "state")
        self._options = {"manifests": self.manifests.folder, "state-dir": self.state,
                         "listen": "127.0.0.1:0", "admin-address": "127.0.0.1", "admin-port": 0,
                         "log-format": "json",
                         **{key.replace("_", "-"): value for key, value in options.items()}}
        self._relays = []
        self.process = None

    def start(self):
        if self.process:
            before = len(self.process.events("controller_started"))
            self.process.start()
        else:
            before = 0
            self.process = Process(
                "controller", [program("outrigger-controller")] +
                [f"--{key}={value}" for key, value in self._options.items()], Here(), self.folder)
        started = self._wait_started(before)
        self.port, self.admin_port = started["port"], started["admin_port"]
        return self

    def _wait_started(self, before):
        def started():
            self.process.must_run()
            return self.process.events("controller_started")[before:]
        return wait_until(started, "the controller to start")[0]

    def run(self, *words):
        return subprocess.run([program("outrigger-controller"), *words], capture_output=True,
                              text=True, timeout=20, check=False)

    def token(self, namespace, account, *options):
        done = self.run("token", namespace, account, f"--state-dir={self.state}", *options)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @property
    def anchors(self):
        with open(os.path.join(self.state, "root.pem"), encoding="ascii") as file:
            return file.read()

    def relay(self, credentials=None):
        relay = TlsRelay(("127.0.0.1", self.port), self.anchors, credentials)
        self._relays.append(relay)
        return relay

    def relay_as(self, namespace, account):
        """A relay with a fresh certificate of that account."""
        return self.relay(certify(self.relay(), self.token(namespace, account)))

    def admin(self, path, **options):
        return http.request(Here(), "127.0.0.1", self.admin_port, path, **options)

    def metric(self, name, **labels):
        metrics = http.parse_metrics(self.admin("/metrics").text)
        return metrics["outrigger_controller_" + name, frozenset(labels.items())]

    def close(self):
        for relay in self._relays:
            relay.close()
        try:
            if self.process:
                self.process.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

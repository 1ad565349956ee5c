"""One outrigger-proxy: its command line, its admin port, what it holds."""
import os

from . import http
from .process import Process
from .programs import IS_SANITIZED, PROXY_MARK, program, users
from .wait import wait_until

ADMIN_PORT = 15000


class Proxy(Process):
    """`options` are more command-line options: {"drain-timeout": "1s"}."""

    def __init__(self, mesh, pod, folder, options, max_descriptors=None):
        proxy_uid, _ = users()
        arguments = {
            "pod": f"{pod.namespace}/{pod.name}",
            "controller": mesh.controller.address,
            "trust-domain": mesh.trust_domain,
            "token-file": pod.token_file,
            "trust-anchors": mesh.controller.anchors_file,
            "log-format": "json",
            "log-level": "info",
            "access-log": "true",
            "pool-idle-timeout": "2s",  # or the leak check would wait for what is only warm
        }
        if workers := os.environ.get("OUTRIGGER_WORKERS"):
            arguments["workers"] = workers
        if proxy_uid is None:
            arguments["socket-mark"] = PROXY_MARK
        arguments.update(options)
        self.pod = pod
        self._level = None
        super().__init__(f"proxy-{pod.name}",
                         [program("outrigger-proxy")] +
                         [f"--{name}={value}" for name, values in arguments.items()
                          for value in (values if isinstance(values, list) else [values])],
                         pod.net, folder, uid=proxy_uid, max_descriptors=max_descriptors)

    # -- the admin port -----------------------------------------------------------------------

    def admin(self, path, method="GET", headers=None, body=None):
        """An answer of the admin port, asked over loopback."""
        return http.request(self.namespace, "127.0.0.1", ADMIN_PORT, path, method, headers, body)

    def is_ready(self):
        self.must_run()
        return self.admin("/readyz").status == 200

    def wait_ready(self, timeout=15.0):
        try:
            wait_until(self.is_ready, f"{self.name} to be ready", timeout)
        except AssertionError as problem:
            said = self.admin("/readyz") if self.is_running else "it has ended"
            raise AssertionError(f"{problem}; /readyz: {said}") from None

    def metrics(self):
        """{(name, frozenset of label pairs): value}"""
        return http.parse_metrics(self.admin("/metrics").text)

    def metric(self, name, **labels):
        """The sum of all series of that name that have these label values."""
        return sum(value for (found, pairs), value in self.metrics().items()
                   if found == name and set(labels.items()) <= pairs)

    def connections(self):
        return self.admin("/connections").json()["connections"]

    def descriptors(self):
        return self.admin("/memory").json()["descriptors"]

    # -- the leak check -----------------------------------------------------------------------

    def note_level(self):
        """Remembers what it holds now, at rest, as the level that it must come back to."""
        self._level = {"descriptors": self.descriptors(), "memory": self.own_bytes()}
        self._level_pid = self.pid

    def check_level(self, memory_slack=4 << 20, timeout=15.0):
        """Nothing is left: no connection, no descriptor, no memory beyond the level before."""
        if self._level is None or self.pid != self._level_pid:
            return
        self._wait_for_most(0, "connections", lambda: len(self.connections()), timeout)
        self._wait_for_most(self._level["descriptors"], "descriptors", self.descriptors, timeout)
        if not IS_SANITIZED:  # freed memory goes back after a second
            self._wait_for_most(self._level["memory"] + memory_slack, "bytes of memory",
                                self.own_bytes, timeout)

    def _wait_for_most(self, most, what, count, timeout):
        def is_back():
            if (now := count()) > most:
                raise ValueError(f"it has {now}")
            return True
        try:
            wait_until(is_back, f"{self.name} to be back at {most} {what}", timeout)
        except AssertionError as problem:
            raise AssertionError(f"{problem}; /memory: {self.admin('/memory').text}") from None


def init_arguments():
    """The command that redirects a pod."""
    proxy_uid, _ = users()
    who = f"--proxy-uid={proxy_uid}" if proxy_uid else f"--proxy-mark={PROXY_MARK}"
    return [program("outrigger-init"), who]


def logs_of(processes, lines=60):
    """The last lines of each log, for whoever reads a failure."""
    text = []
    for process in processes:
        state = "running" if process.is_running else f"ended with {process.exit_code}"
        text.append(f"---- {process.name} ({state}): {' '.join(process.command)}")
        if os.path.exists(process.log_path):
            text.extend(process.log().splitlines()[-lines:])
    return "\n".join(text)

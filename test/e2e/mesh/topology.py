"""The mesh: nodes on one bridge, a controller, pods with their proxies and applications."""
import contextlib
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from . import http, manifests
from .capture import Recorder
from .netns import Namespace
from .process import Process
from .programs import PYTHON, app, program, users
from .proxy import Proxy, init_arguments, logs_of
from .wait import wait_until

PODS = ipaddress.ip_network("10.244.0.0/16"), ipaddress.ip_network("fd00:244::/64")
SERVICES = ipaddress.ip_network("10.96.0.0/16"), ipaddress.ip_network("fd00:96::/64")
CONTROLLER_PORT, CONTROLLER_ADMIN_PORT = 15010, 15014


class Node:
    """A namespace with one link, eth0, to the bridge. `link` is the bridge's end of it."""

    def __init__(self, mesh, name, number):
        self.mesh, self.name = mesh, name
        self.link = f"port{number}"
        self.ipv4, self.ipv6 = (str(network[number]) for network in PODS)
        self.net = Namespace(name)
        mesh.router.ip(f"link add {self.link} type veth peer name eth0 netns {self.net.path}",
                       f"link set {self.link} master bridge up")
        self.net.ip(f"addr add {self.ipv4}/16 dev eth0", f"addr add {self.ipv6}/64 dev eth0 nodad",
                    "link set eth0 up",
                    f"route add default via {PODS[0][1]}", f"route add default via {PODS[1][1]}")
        self.apps = []

    def connect(self, address, port, timeout=10.0, source=None):
        """A TCP connection from here, as an application would make it; a socket with a timeout."""
        with self.net.entered():
            return socket.create_connection((str(address), port), timeout, source)

    def run_app(self, name, *arguments, uid="app", label=None, expected_exit=(0, -15)):
        """Starts apps/NAME here as an application's user and waits until it says that it listens."""
        if uid == "app":
            uid = users()[1]
        process = self.mesh.start(Process(
            f"{self.name}-{label or name.removesuffix('.py')}-{len(self.apps)}",
            [PYTHON, "-u", app(name), *arguments], self.net, self.mesh.folder, uid, expected_exit))
        self.apps.append(process)
        process.wait_for_log("listening")
        return process

    def record(self):
        """A recorder of every byte on the link to this node; stopped with the mesh at the latest."""
        recorder = Recorder(self.mesh.router, self.link)
        self.mesh.on_close(recorder.stop)
        return recorder


class Pod(Node):
    """A pod; its Pod manifest is written when it is made."""

    def __init__(self, mesh, name, number, namespace, account, labels, annotations, ports, in_mesh,
                 is_ready):
        super().__init__(mesh, name, number)
        self.namespace, self.account, self.in_mesh = namespace, account, in_mesh
        self.labels, self.annotations = labels, dict(annotations)
        self.ports = ports
        self.proxy = None
        self.identity = f"spiffe://{mesh.trust_domain}/ns/{namespace}/sa/{account}"
        self.token_file = None
        self.publish(is_ready)

    def publish(self, is_ready=True):
        """Writes the Pod manifest (again), with the annotations and ports as they are now."""
        self.mesh.manifests.put(manifests.pod(
            self.namespace, self.name, self.account, self.labels, self.annotations,
            [self.ipv4, self.ipv6], self.ports, self.in_mesh, is_ready))

    def unpublish(self):
        self.mesh.manifests.remove(os.path.join(
            self.mesh.manifests.folder, f"pod-{self.namespace}-{self.name}.yaml"))

    def redirect(self):
        self.net.run(*init_arguments())

    def start_proxy(self, wait=True, max_descriptors=None, **options):
        """Starts (or starts again) the proxy; underscores in option names stand for dashes."""
        if self.token_file is None:
            self.token_file = self.mesh.token(self.namespace, self.account, self.name)
        self.proxy = self.mesh.start(Proxy(
            self.mesh, self, self.mesh.folder,
            {key.replace("_", "-"): value for key, value in options.items()}, max_descriptors))
        if wait:
            self.proxy.wait_ready()
            self.proxy.note_level()
        return self.proxy


class Service:
    def __init__(self, namespace, name, ipv4, ipv6, ports):
        self.namespace, self.name, self.ipv4, self.ipv6 = namespace, name, ipv4, ipv6
        self.ports = ports
        self.port = next(iter(ports.values()))[0]

    @property
    def vip(self):
        return self.ipv4, self.port

    @property
    def vip6(self):
        return self.ipv6, self.port


class Controller(Node):
    def __init__(self, mesh, number, options):
        super().__init__(mesh, "controller", number)
        self.state = os.path.join(mesh.folder, "state")
        self.anchors_file = os.path.join(mesh.folder, "anchors.pem")
        self.address = f"{self.ipv4}:{CONTROLLER_PORT}"
        self._options = options
        self.kubeconfig = None  # a path: the source of objects in place of the manifests
        self.process = None

    def start(self):
        source = {} if self.kubeconfig else {"manifests": self.mesh.manifests.folder}
        if self.kubeconfig:
            source["kubeconfig"] = self.kubeconfig
        arguments = {**source, "state-dir": self.state, "trust-domain": self.mesh.trust_domain,
                     "log-format": "json", **self._options}
        self.process = self.mesh.start(Process(
            "controller", [program("outrigger-controller")] +
            [f"--{key}={value}" for key, value in arguments.items()], self.net, self.mesh.folder))
        self.wait_ready()
        # Every user may read what every proxy trusts; the state folder is the controller's alone.
        shutil.copyfile(os.path.join(self.state, "root.pem"), self.anchors_file)
        os.chmod(self.anchors_file, 0o644)

    def admin(self, path, method="GET"):
        return http.request(self.net, "127.0.0.1", CONTROLLER_ADMIN_PORT, path, method)

    def wait_ready(self):
        def ready():
            self.process.must_run()
            return self.admin("/readyz").status == 200
        wait_until(ready, "the controller to be ready")

    def kill(self):
        self.process.kill()

    def restart(self):
        self.process.start()
        self.wait_ready()


class Mesh:
    """See the package's documentation. Use it as a context manager."""

    def __init__(self, trust_domain="cluster.local", start_controller=True, keep_folder=False,
                 **controller_options):
        # Who ends us politely (timeout, a CI runner) ends us through __exit__.
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        self._closing = contextlib.ExitStack()
        self._processes, self._pods = [], []
        self.trust_domain = trust_domain
        self._numbers, self._service_numbers = iter(range(2, 60000)), iter(range(1, 60000))
        self._known = set()
        self.folder = tempfile.mkdtemp(prefix=f"outrigger-mesh-{os.getpid()}-")
        os.chmod(self.folder, 0o755)
        if not keep_folder:
            self._closing.callback(shutil.rmtree, self.folder, ignore_errors=True)
        try:
            self.router = self._make_router()
            self.manifests = manifests.Manifests(os.path.join(self.folder, "manifests"))
            self.controller = Controller(
                self, next(self._numbers),
                {key.replace("_", "-"): value for key, value in controller_options.items()})
            self.on_close(self.controller.net.close)
            if start_controller:
                self.controller.start()
        except BaseException:
            self._tear_down(sys.exc_info()[0])
            raise

    def _make_router(self):
        router = Namespace("router")
        self.on_close(router.close)
        router.ip("link add bridge type bridge forward_delay 0", "link set bridge up",
                  f"addr add {PODS[0][1]}/16 dev bridge", f"addr add {PODS[1][1]}/64 dev bridge nodad")
        router.write_sysctl("net/ipv4/ip_forward", "1")
        router.write_sysctl("net/ipv6/conf/all/forwarding", "1")
        # "Unreachable" is said each time, so that a call to nowhere fails at once.
        router.write_sysctl("net/ipv4/icmp_ratelimit", "0")
        router.write_sysctl("net/ipv6/icmp/ratelimit", "0")
        return router

    # -- building -----------------------------------------------------------------------------

    def on_close(self, function, *arguments):
        """Calls it when the mesh is taken down, in reverse order."""
        self._closing.callback(function, *arguments)

    def start(self, process):
        """Takes a process into the mesh's care; returns it."""
        self._processes.append(process)
        return process

    def namespace(self, name, annotations=None):
        """Writes a Namespace (again): annotations such as {"outrigger.dev/mtls-mode": "strict"}."""
        self._known.add(name)
        self.manifests.put(manifests.namespace(name, annotations))

    def node(self, name):
        """A machine outside of the mesh, on the same bridge."""
        node = Node(self, name, next(self._numbers))
        self.on_close(node.net.close)
        return node

    def pod(self, name, namespace="demo", account=None, labels=None, annotations=None, ports=None,
            redirect=True, proxy=True, in_mesh=None, wait=True, is_ready=True, **proxy_options):
        """A pod with its redirect and its proxy, ready when this returns (unless wait=False).

        `account` and the label `app` are the name without its number ("api-1" is "api") unless given.
        `ports` is {name: number}. in_mesh: whether the manifest has a proxy container; as `proxy`.
        is_ready: whether it says that the pod is ready; else publish() says so later.
        """
        app_name = name.rstrip("0123456789").rstrip("-")
        account = account or app_name
        if namespace not in self._known:
            self.namespace(namespace)
        if (namespace, account) not in self._known:
            self._known.add((namespace, account))
            self.manifests.put(manifests.service_account(namespace, account))
        pod = Pod(self, name, next(self._numbers), namespace, account,
                  {"app": app_name} if labels is None else labels, annotations or {}, ports or {},
                  proxy if in_mesh is None else in_mesh, is_ready)
        self.on_close(pod.net.close)
        self._pods.append(pod)
        if redirect and proxy:
            pod.redirect()
        if proxy:
            pod.start_proxy(wait=wait, **proxy_options)
        return pod

    def service(self, name, ports, namespace="demo", selector=None, annotations=None):
        """A Service with a VIP of each family. `ports` is {80: 8080}, {"name": (80, 8080)}
        or {"name": (80, 8080, "appProtocol")}."""
        number = next(self._service_numbers)
        ipv4, ipv6 = (str(network[number]) for network in SERVICES)
        named = {key: value for key, value in ports.items() if isinstance(value, tuple)} or \
            {f"tcp-{port}": (port, target) for port, target in ports.items()}
        self.manifests.put(manifests.service(
            namespace, name, [ipv4, ipv6], named, {"app": name} if selector is None else selector,
            annotations))
        return Service(namespace, name, ipv4, ipv6, named)

    def access_policy(self, name, spec, namespace="demo"):
        """Writes an AccessPolicy; returns its path, for manifests.remove()."""
        return self.manifests.put(manifests.access_policy(namespace, name, spec))

    def token(self, namespace, account, pod=None):
        """A service-account token in a file that only the proxies' user may read."""
        command = [program("outrigger-controller"), "token", f"--state-dir={self.controller.state}",
                   namespace, account] + ([f"--pod={pod}"] if pod else [])
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}{done.stdout}")
        return self.write_token(done.stdout, namespace, account, pod)

    def write_token(self, text, namespace, account, pod=None):
        """The text in the file of that pod's token."""
        path = os.path.join(self.folder, f"token-{namespace}-{account}-{pod or ''}")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        uid = users()[0]
        if uid is not None:
            os.chown(path, uid, uid)
        return path

    # -- the end ------------------------------------------------------------------------------

    @property
    def proxies(self):
        return [pod.proxy for pod in self._pods if pod.proxy is not None and pod.proxy.is_running]

    def logs(self):
        return logs_of(self._processes)

    def check_nothing_left(self):
        """Every proxy that runs holds what it held when it had become ready, and no more."""
        for proxy in self.proxies:
            proxy.check_level()

    def _stop_all(self):
        """Ends everything, proxies first, and judges each end. All are ended whatever is found."""
        problems = []
        for process in sorted(self._processes, key=lambda p: not isinstance(p, Proxy)):
            try:
                process.stop()
            except AssertionError as problem:
                problems.append(str(problem))
                process.kill()
        if problems:
            raise AssertionError("\n".join(problems))

    def _tear_down(self, failure):
        if failure is not None:
            print(self.logs(), file=sys.stderr)
        try:
            for process in self._processes:
                process.kill()
        finally:
            self._closing.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.check_nothing_left()
                self._stop_all()
        except BaseException as problem:
            kind = type(problem)
            raise
        finally:
            self._tear_down(kind)

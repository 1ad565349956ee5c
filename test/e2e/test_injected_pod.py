"""A pod as `outrigger inject` writes it, begun by hand in a kubelet's place: its containers' arguments are
what our programs take, and its probes find the application under strict mTLS."""
import subprocess

import pytest
import yaml

from mesh import Mesh, http, is_refused, wait_until
from mesh import own_cert
from mesh.process import Process
from mesh.programs import PROXY_MARK, program, users

MANIFEST = """
apiVersion: v1
kind: Pod
metadata:
  name: api
  namespace: demo
  annotations:
    outrigger.dev/skip-inbound-ports: "7000, 7100-7200"
    outrigger.dev/skip-outbound-ports: "9"
    outrigger.dev/skip-outbound-cidrs: 192.0.2.0/24
    outrigger.dev/admin-port: "15020"
    outrigger.dev/proxy-workers: "2"
    outrigger.dev/log-level: info
    outrigger.dev/log-format: json
    outrigger.dev/trace-sampling: "0.5"
    outrigger.dev/drain-timeout: 5s
    outrigger.dev/extra-env: A=1,B=2
spec:
  serviceAccountName: api
  containers:
  - name: app
    image: app
    ports:
    - {name: http, containerPort: 8080}
    - {name: health, containerPort: 9000}
    livenessProbe: {httpGet: {path: /healthz, port: http}}
    readinessProbe: {grpc: {port: 9000, service: shop}, timeoutSeconds: 3}
    startupProbe: {tcpSocket: {port: http}}
"""


class Kubelet:
    """Starts the parts of a pod, in the order of its spec, and probes them."""

    def __init__(self, mesh, spec):
        self.spec, self.mesh = spec, mesh
        self.pod = mesh.pod("api", proxy=False, in_mesh=True)
        self.pod.token_file = mesh.token("demo", "api", "api")
        self.node = mesh.node("kubelet")
        self.env = {"POD_NAME": "api", "POD_NAMESPACE": "demo", "POD_IP": self.pod.ipv4}

    def arguments(self, container):
        words = list(container["args"])
        for name, value in self.env.items():
            words = [word.replace(f"$({name})", value) for word in words]
        return words

    def start(self):
        init, proxy = self.spec["initContainers"]
        uid, _ = users()
        by_mark = [] if uid else [f"--proxy-mark={PROXY_MARK}", "--proxy-uid="]
        words = [word for word in self.arguments(init) if uid or not word.startswith("--proxy-uid")]
        self.pod.net.run(program("outrigger-init"), *words, *by_mark)
        extra = [f"--token-file={self.pod.token_file}",
                 f"--trust-anchors={self.mesh.controller.anchors_file}"]
        extra += [] if uid else [f"--socket-mark={PROXY_MARK}"]
        self.proxy = self.mesh.start(Process(
            "proxy-injected", [program("outrigger-proxy"), *self.arguments(proxy), *extra],
            self.pod.net, self.mesh.folder, proxy["securityContext"]["runAsUser"] if uid else None))
        wait_until(lambda: self.probe(proxy["startupProbe"]), "the start-up probe")

    def probe(self, probe):
        get = probe["httpGet"]
        return http.request(self.node.net, self.pod.ipv4, get["port"], get["path"],
                            timeout=probe.get("timeoutSeconds", 1) + 4).status == 200


@pytest.fixture(name="folder")
def _folder(tmp_path):
    (tmp_path / "health").write_text("well")
    own_cert.make(tmp_path, "x")
    own_cert.open_way(tmp_path)
    return tmp_path


def test_an_injected_pod_runs(folder):
    with Mesh() as mesh:
        mesh.namespace("demo", {"outrigger.dev/mtls-mode": "strict"})
        done = subprocess.run(
            [program("outrigger"), "inject", "--proxy-controller", mesh.controller.address,
             "--trust-domain", mesh.trust_domain], input=MANIFEST, capture_output=True, text=True,
            check=True, timeout=20)
        assert done.stderr == ""
        spec = yaml.safe_load(done.stdout)["spec"]
        kubelet = Kubelet(mesh, spec)
        kubelet.start()
        app = spec["containers"][0]
        assert not kubelet.probe(app["startupProbe"]), "nobody listens yet"
        kubelet.pod.run_app("probed.py", str(folder / "health"), str(folder / "cert.pem"),
                            str(folder / "key.pem"))
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert kubelet.probe(app[name]), name
        assert is_refused(kubelet.node, kubelet.pod.ipv4, 8080, b"GET / HTTP/1.1\r\n\r\n")
        # A port that is skipped is reached straight.
        with kubelet.node.connect(kubelet.pod.ipv4, 7000):
            pass
        (folder / "health").write_text("ill")
        assert not kubelet.probe(app["livenessProbe"]) and not kubelet.probe(app["readinessProbe"])
        assert kubelet.probe(app["startupProbe"])

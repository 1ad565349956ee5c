"""The webhook: AdmissionReviews over real TLS, as the API server sends them, and as nobody should."""
import base64
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess

import pytest
from cryptography import x509
from mesh import own_cert
from mesh.process import SANITIZER, SANITIZER_ENV
from mesh.programs import program
from mesh.wait import wait_until

NAME = "outrigger-controller.outrigger-system.svc"
MANIFEST = """apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels: {outrigger.dev/inject: enabled}
  annotations: {outrigger.dev/proxy-memory-limit: 64Mi}
"""
POLICY = {"apiVersion": "outrigger.dev/v1alpha1", "kind": "AccessPolicy",
          "metadata": {"namespace": "shop", "name": "p"}, "spec": {"action": "Allow"}}


class Webhook:
    """A controller with its webhook, and a client that trusts its root."""

    def __init__(self, folder, *options):
        self.folder, self.port = folder, free_port()
        (folder / "manifests").mkdir()
        (folder / "manifests" / "all.yaml").write_text(MANIFEST)
        self.log = folder / "controller.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [program("outrigger-controller"), f"--manifests={folder}/manifests",
                 f"--state-dir={folder}/state", "--listen=127.0.0.1:0", "--admin-port=0",
                 f"--webhook-port={self.port}", *options],
                stdout=log, stderr=log, env={**os.environ, **SANITIZER_ENV})
        wait_until(lambda: "controller_started" in self.log.read_text(), "the controller")
        self.tls = ssl.create_default_context(
            cafile=folder / "state" / "root.pem" if not options else folder / "cert.pem")

    def connect(self):
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return self.tls.wrap_socket(raw, server_hostname=NAME)

    def client(self):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        client.sock = self.connect()
        return client

    def post(self, path, body, client=None):
        client = client or self.client()
        client.request("POST", path, body if isinstance(body, bytes) else json.dumps(body),
                       {"Content-Type": "application/json"})
        answer = client.getresponse()
        return answer.status, answer.read()

    def admit(self, path, review, client=None):
        status, body = self.post(path, review, client)
        assert status == 200, body
        answer = json.loads(body)
        assert answer["kind"] == "AdmissionReview"
        assert answer["response"]["uid"] == review["request"]["uid"]
        return answer["response"]

    @property
    def admin_port(self):
        return int(re.search(r"admin_port=(\d+)", self.log.read_text()).group(1))

    def metric(self, name):
        client = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=10)
        client.request("GET", "/metrics")
        text = client.getresponse().read().decode()
        return float(re.search(rf"^outrigger_controller_{re.escape(name)} (\S+)$", text, re.M).group(1))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0, self.log.read_text()
        assert not SANITIZER.search(self.log.read_text()), self.log.read_text()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(folder, *options):
    webhook = Webhook(folder, *options)
    try:
        yield webhook
        webhook.stop()
    finally:
        webhook.process.kill()
        webhook.process.wait()


@pytest.fixture(name="webhook")
def _webhook(tmp_path):
    with running(tmp_path) as webhook:
        yield webhook


def review(kind, obj, uid="705ab4f5", operation="CREATE", namespace="shop"):
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {"uid": uid, "kind": {"group": "", "version": "v1", "kind": kind},
                        "namespace": namespace, "operation": operation, "object": obj}}


def pod(**spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "web-"},
            "spec": {"containers": [{"name": "web", "image": "web:1"}], **spec}}


def patched(obj, operations):
    """RFC 6902, as much of it as is used."""
    obj = json.loads(json.dumps(obj))
    for operation in operations:
        *way, last = [part.replace("~1", "/").replace("~0", "~")
                      for part in operation["path"].split("/")[1:]]
        place = obj
        for part in way:
            place = place[int(part)] if isinstance(place, list) else place[part]
        if isinstance(place, list) and operation["op"] == "add":
            place.insert(len(place) if last == "-" else int(last), operation["value"])
        elif isinstance(place, list):
            place[int(last)] = operation["value"]
        else:
            place[last] = operation["value"]
    return obj


def test_a_pod_of_a_namespace_that_asks_is_injected_once(webhook):
    response = webhook.admit("/inject", review("Pod", pod()))
    assert response["allowed"] and response["patchType"] == "JSONPatch"
    stored = patched(pod(), json.loads(base64.b64decode(response["patch"], validate=True)))
    names = [container["name"] for container in stored["spec"]["initContainers"]]
    assert names == ["outrigger-init", "outrigger-proxy"]
    proxy = stored["spec"]["initContainers"][1]
    assert proxy["resources"]["limits"] == {"memory": "64Mi"}  # as the namespace says
    assert proxy["restartPolicy"] == "Always" and "registry" not in proxy["image"]
    again = webhook.admit("/inject", review("Pod", stored))
    assert again["allowed"] and "patch" not in again
    elsewhere = webhook.admit("/inject", review("Pod", pod(), namespace="other"))
    assert elsewhere["allowed"] and "patch" not in elsewhere
    assert webhook.metric('admissions_total{result="injected"}') == 1
    assert webhook.metric('admissions_total{result="not_injected"}') == 2


def test_what_is_wrong_is_told_and_the_pod_goes_on(webhook):
    wrong = pod()
    wrong["metadata"]["annotations"] = {"outrigger.dev/prxy-image": "x"}
    response = webhook.admit("/inject", review("Pod", wrong))
    assert response["allowed"] and "patch" in response
    assert response["warnings"] == ['metadata.annotations["outrigger.dev/prxy-image"]: there is no '
                                    'such setting; did you mean "outrigger.dev/proxy-image"?']
    response = webhook.admit("/inject", review("Pod", pod(hostNetwork=True)))
    assert response["allowed"] and "patch" not in response
    assert "uses its node's network" in response["warnings"][0]
    assert webhook.metric("admission_warnings_total") == 2


def test_own_kinds_are_validated(webhook):
    assert webhook.admit("/validate", review("AccessPolicy", POLICY))["allowed"]
    bad = {**POLICY, "spec": {"action": "Alow"}}
    response = webhook.admit("/validate", review("AccessPolicy", bad))
    assert not response["allowed"] and response["status"]["code"] == 422
    assert response["status"]["message"] == \
        'spec.action: "Alow" is none of Allow, Deny, Audit'
    assert webhook.admit("/validate", review("AccessPolicy", None, operation="DELETE"))["allowed"]


HOSTILE = {
    "empty": b"", "not JSON": b"{", "a list": b"[]", "no uid": b'{"kind":"AdmissionReview"}',
    "deep": b"[" * 100000, "NUL": b"\0" * 100, "not UTF-8": b'{"kind":"\xff"}',
    "no object": json.dumps(review("Pod", [1])).encode(),
}


@pytest.mark.parametrize("path", ["/inject", "/validate"])
def test_what_is_no_review_is_answered_with_400(webhook, path):
    for name, body in HOSTILE.items():
        status, text = webhook.post(path, body)
        assert status == 400 and len(text.splitlines()) == 1, name
    assert webhook.metric('admissions_total{result="malformed"}') == len(HOSTILE)
    assert webhook.admit("/inject", review("Pod", pod()))["allowed"]


def test_bounds_and_methods(webhook):
    client = webhook.client()
    client.putrequest("POST", "/inject")
    client.putheader("Content-Length", str(9 << 20))
    client.endheaders()
    assert client.getresponse().status == 413
    client = webhook.client()
    client.request("GET", "/inject")
    assert client.getresponse().status == 405
    client = webhook.client()
    client.request("GET", "/healthz")
    assert client.getresponse().status == 200


def test_large_pods_and_one_connection_for_many(webhook):
    large = pod()
    large["metadata"]["annotations"] = {f"example.com/{i}": "x" * 20000 for i in range(50)}
    client = webhook.client()
    before = webhook.descriptors()
    for i in range(200):
        uid = f"uid-{i}"
        obj = large if i % 20 == 0 else pod()
        assert "patch" in webhook.admit("/inject", review("Pod", obj, uid=uid), client)
    assert webhook.descriptors() == before
    client.close()
    wait_until(lambda: webhook.descriptors() < before, "the connection to be closed")


def test_strangers_at_the_door(webhook):
    """Plaintext, half a handshake, another name, another root: none of them keeps others out."""
    before = webhook.descriptors()
    with socket.create_connection(("127.0.0.1", webhook.port)) as plain:
        plain.sendall(b"POST /inject HTTP/1.1\r\n\r\n")
        plain.settimeout(10)
        with contextlib.suppress(ConnectionError):
            assert b"HTTP/1.1" not in plain.recv(100)
    silent = [socket.create_connection(("127.0.0.1", webhook.port)) for _ in range(80)]
    for other in silent[:40]:
        other.sendall(b"\x16\x03\x01\x02\x00\x01")
    assert webhook.admit("/inject", review("Pod", pod()))["allowed"]
    for other in silent:
        other.close()
    raw = socket.create_connection(("127.0.0.1", webhook.port), timeout=10)
    with pytest.raises(ssl.SSLCertVerificationError):
        webhook.tls.wrap_socket(raw, server_hostname="kubernetes.default.svc")
    raw.close()
    wait_until(lambda: webhook.descriptors() <= before, "the strangers to be gone")


def test_a_certificate_of_ones_own_is_read_again(tmp_path):
    own_cert.make(tmp_path, NAME, 1001)
    with running(tmp_path, f"--webhook-cert={tmp_path}/cert.pem",
                 f"--webhook-key={tmp_path}/key.pem") as webhook:
        assert webhook.admit("/inject", review("Pod", pod()))["allowed"]
        own_cert.make(tmp_path, NAME, 1002)
        webhook.tls = ssl.create_default_context(cafile=tmp_path / "cert.pem")

        def is_new():
            with webhook.connect() as connection:
                return x509.load_der_x509_certificate(
                    connection.getpeercert(True)).serial_number == 1002

        wait_until(is_new, "the new certificate", timeout=20)
        (tmp_path / "key.pem").write_text("nonsense")
        wait_until(lambda: "webhook_certificate_failed" in webhook.log.read_text(), timeout=20)
        assert is_new()


def test_options_that_do_not_go_together(tmp_path):
    for words, told in ((["--webhook-cert=x"], "--webhook-key"),
                        (["--proxy-cpu-request=1", "--proxy-cpu-limit=500m"], "limit"),
                        (["--proxy-memory-limit=much"], "quantity"),
                        (["--image-pull-policy=Sometimes"], "IfNotPresent")):
        done = subprocess.run([program("outrigger-controller"), f"--manifests={tmp_path}",
                               "--webhook-port=1", *words], capture_output=True, text=True,
                              timeout=20, check=False)
        assert done.returncode == 2 and told in done.stderr and len(done.stderr.splitlines()) == 1

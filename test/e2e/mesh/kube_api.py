"""A Kubernetes API server as far as lists and watches go, over TLS, that misbehaves as it is told."""
import base64
import collections
import http.server
import json
import os
import ssl
import threading
import time
import urllib.parse

import yaml

from . import own_cert

PATHS = {"Namespace": "/api/v1/namespaces", "ServiceAccount": "/api/v1/serviceaccounts", "Pod": "/api/v1/pods",
         "Service": "/api/v1/services", "EndpointSlice": "/apis/discovery.k8s.io/v1/endpointslices",
         "AccessPolicy": "/apis/outrigger.dev/v1alpha1/accesspolicies",
         "TrafficPolicy": "/apis/outrigger.dev/v1alpha1/trafficpolicies",
         "HTTPRoute": "/apis/gateway.networking.k8s.io/v1/httproutes",
         "TrafficSplit": "/apis/split.smi-spec.io/v1alpha2/trafficsplits"}
TOKEN = "the-controllers-token"


class KubeApi:
    """put() and remove() change what it has; `faults` are answers that are given to what comes next."""

    def __init__(self, net, folder, absent=("HTTPRoute", "TrafficSplit")):
        self._lock = threading.Condition()
        self.version = 100
        self.first_version = 0                        # older ones are gone: 410
        self.objects = {}                             # (kind, namespace, name) -> object
        self.events = []                              # (version, kind, type, object)
        self.paths = {path: kind for kind, path in PATHS.items() if kind not in absent}
        self.page = 500
        self.faults = collections.defaultdict(list)   # kind -> [function(handler, is_watch) -> bool]
        self.tokens = {}                              # token -> (namespace, account, pod, audiences)
        self.n_reviews = 0
        self.config_maps = {}                         # (namespace, name) -> data
        self.applied = []                             # namespaces, in order
        self.requests = []                            # (kind, query)
        self.is_down = False
        self._watches = set()
        own_cert.open_way(folder)
        own_cert.make(folder, "kube.test")
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                api.answer(self)

            def do_PATCH(self):
                api.apply(self)

            def do_POST(self):
                api.review(self)

            def log_message(self, *_):
                pass
        class Server(http.server.ThreadingHTTPServer):
            daemon_threads, request_queue_size = True, 128  # all kinds come at once
        with net.entered():
            self._server = Server(("0.0.0.0", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True,
                                                  do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def kubeconfig(self, folder, server, **user):
        with open(self.cert, "rb") as file:
            ca = base64.b64encode(file.read()).decode()
        path = os.path.join(folder, "kubeconfig")
        with open(path, "w", encoding="ascii") as file:
            yaml.safe_dump({
                "apiVersion": "v1", "kind": "Config", "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {
                    "server": f"https://{server}:{self.port}", "tls-server-name": "kube.test",
                    "certificate-authority-data": ca}}],
                "users": [{"name": "u", "user": user or {"token": TOKEN}}]}, file)
        return path

    # -- what it has ------------------------------------------------------------------------------

    def put(self, document):
        metadata = document["metadata"]
        key = (document["kind"], metadata.get("namespace", ""), metadata["name"])
        with self._lock:
            self.version += 1
            stored = json.loads(json.dumps(document))
            stored["metadata"]["resourceVersion"] = str(self.version)
            stored["metadata"]["managedFields"] = [{"manager": "test"}]
            self._tell(key[0], "MODIFIED" if key in self.objects else "ADDED", stored)
            self.objects[key] = stored

    def remove(self, kind, namespace, name):
        with self._lock:
            self.version += 1
            gone = dict(self.objects.pop((kind, namespace, name)))
            gone["metadata"]["resourceVersion"] = str(self.version)
            self._tell(kind, "DELETED", gone)

    def _tell(self, kind, what, stored):
        self.events.append((self.version, kind, what, stored))
        self._lock.notify_all()

    def forget(self):
        """Compaction: what was is not known any more, and who watches is told so."""
        with self._lock:
            self.first_version = self.version + 1
            self.version += 1
            self._lock.notify_all()

    def cut(self):
        """Every connection ends in the middle of whatever it is at."""
        for watch in list(self._watches):
            watch.connection.close()
            watch.close_connection = True

    def n_lists(self, kind):
        return sum(1 for found, query in self.requests if found == kind and "watch" not in query)

    # -- what it says -----------------------------------------------------------------------------

    def answer(self, handler):
        path, _, query = handler.path.partition("?")
        query = dict(urllib.parse.parse_qsl(query))
        kind = self.paths.get(path)
        if self.is_down:
            handler.close_connection = True
            handler.connection.close()
            return
        if handler.headers["Authorization"] != f"Bearer {TOKEN}":
            self._status(handler, 401, "Unauthorized")
            return
        if kind is None:
            self._status(handler, 404, "the server could not find the requested resource")
            return
        self.requests.append((kind, query))
        faults = self.faults[kind]
        if faults and faults[0](handler, "watch" in query):
            faults.pop(0)
        elif "watch" in query:
            self._watch(handler, kind, int(query["resourceVersion"]))
        else:
            self._list(handler, kind, query)

    def apply(self, handler):
        """Server-side apply of a ConfigMap."""
        path, _, query = handler.path.partition("?")
        _, _, _, _, namespace, kind, name = path.split("/")
        said = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        assert handler.headers["Content-Type"] == "application/apply-patch+yaml" and kind == "configmaps"
        assert dict(urllib.parse.parse_qsl(query)) == {"fieldManager": "outrigger", "force": "true"}
        assert said["kind"] == "ConfigMap" and said["metadata"]["name"] == name
        if self.is_down or (self.faults["ConfigMap"] and self.faults["ConfigMap"].pop(0)(handler, False)):
            handler.close_connection = True
            return
        self.config_maps[namespace, name] = said["data"]
        self.applied.append(namespace)
        self._status(handler, 200, "applied")

    def review(self, handler):
        """A TokenReview."""
        asked = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        assert handler.path == "/apis/authentication.k8s.io/v1/tokenreviews" and asked["kind"] == "TokenReview"
        self.n_reviews += 1
        if self.is_down or self.faults["TokenReview"]:
            if self.is_down or self.faults["TokenReview"].pop(0)(handler, False) is None:
                handler.close_connection = True
                handler.connection.close()
            return
        namespace, account, pod, audiences = self.tokens.get(asked["spec"]["token"], (None, None, None, []))
        audiences = [one for one in audiences if one in asked["spec"]["audiences"]]
        told = {"authenticated": False, "error": "invalid bearer token"}
        if audiences:
            told = {"authenticated": True, "audiences": audiences, "user": {
                "username": f"system:serviceaccount:{namespace}:{account}",
                "extra": {"authentication.kubernetes.io/pod-name": [pod]}}}
        body = json.dumps({**asked, "status": told}).encode()
        handler.send_response(201)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    @staticmethod
    def _status(handler, code, message, **headers):
        body = json.dumps({"kind": "Status", "code": code, "message": message}).encode()
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _list(self, handler, kind, query):
        with self._lock:
            found = [json.loads(json.dumps(o)) for key, o in sorted(self.objects.items()) if key[0] == kind]
            version = self.version
        start = int(base64.b64decode(query["continue"])) if "continue" in query else 0
        items = found[start:start + self.page]
        for item in items:
            del item["kind"], item["apiVersion"]
        metadata = {"resourceVersion": str(version)}
        if start + self.page < len(found):
            metadata["continue"] = base64.b64encode(b"%d" % (start + self.page)).decode()
        body = json.dumps({"kind": f"{kind}List", "metadata": metadata, "items": items}).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _watch(self, handler, kind, version):
        if version < self.first_version:
            self._status(handler, 410, "too old resource version")
            return
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        self._watches.add(handler)
        try:
            while not self.is_down:
                with self._lock:
                    if version < self.first_version:
                        news = [(0, kind, "ERROR", {"kind": "Status", "code": 410, "message": "too old"})]
                    else:
                        news = [event for event in self.events if event[0] > version and event[1] == kind]
                    if not news:
                        self._lock.wait(0.2)
                        handler.wfile.flush()
                        continue
                for number, _, what, stored in news:
                    self.chunk(handler, json.dumps({"type": what, "object": stored}).encode() + b"\n")
                    version = number
                if news[-1][2] == "ERROR":
                    break
            handler.wfile.write(b"0\r\n\r\n")
        except (OSError, ValueError):
            handler.close_connection = True
        finally:
            self._watches.discard(handler)

    @staticmethod
    def chunk(handler, data):
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        handler.wfile.flush()


def status(code, message="no", **headers):
    """The next answer is this."""
    def fault(handler, _):
        KubeApi._status(handler, code, message, **headers)
        return True
    return fault


def half_an_event(handler, is_watch):
    """The next watch breaks in the middle of an event's JSON."""
    if not is_watch:
        return False
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    KubeApi.chunk(handler, b'{"type":"ADDED","object":{"metadata":{"na')
    handler.connection.close()
    handler.close_connection = True
    return True


def silence(seconds):
    def fault(handler, is_watch):
        if not is_watch:
            return False
        time.sleep(seconds)
        handler.close_connection = True
        return True
    return fault

"""Envoy on both sides of mutual TLS, HTTP/2 between: measured where $ENVOY names a program."""
import json
import os
import subprocess

from haproxy import make_certificates
from mesh import Process, wait_until

PROGRAM = os.environ.get("ENVOY", "")
HTTP = "type.googleapis.com/envoy.extensions"


def version():
    if not PROGRAM:
        return "none"
    text = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
    return text.strip().rsplit("version: ", 1)[-1].split("/")[1]


def _common_tls(folder, name):
    return {"tls_params": {"tls_minimum_protocol_version": "TLSv1_3",
                            "tls_maximum_protocol_version": "TLSv1_3"}, "alpn_protocols": ["h2"],
            "tls_certificates": [{"certificate_chain": {"filename": f"{folder}/{name}.pem"},
                                  "private_key": {"filename": f"{folder}/{name}.pem"}}],
            "validation_context": {"trusted_ca": {"filename": f"{folder}/ca.pem"}}}


def _tls(folder, name, side):
    config = {"@type": f"{HTTP}.transport_sockets.tls.v3.{side}TlsContext",
              "common_tls_context": _common_tls(folder, name)}
    if side == "Downstream":
        config["require_client_certificate"] = True
    return {"name": "tls", "typed_config": config}


def _config(listen, target, server_tls, client_tls):
    manager = {"@type": f"{HTTP}.filters.network.http_connection_manager.v3.HttpConnectionManager",
               "stat_prefix": "in", "generate_request_id": False,
               "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                   {"match": {"prefix": "/"}, "route": {"cluster": "out", "timeout": "0s"}}]}]},
               "http_filters": [{"name": "router", "typed_config": {
                   "@type": f"{HTTP}.filters.http.router.v3.Router"}}]}
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    cluster = {"name": "out", "connect_timeout": "5s", "type": "STATIC", "load_assignment": {
        "cluster_name": "out", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {
            "socket_address": {"address": str(target[0]), "port_value": target[1]}}}}]}]},
        "circuit_breakers": {"thresholds": [{"max_connections": 100000, "max_requests": 100000,
                                             "max_pending_requests": 100000}]}}
    if server_tls:
        chain["transport_socket"] = server_tls
    if client_tls:
        cluster["transport_socket"] = client_tls
        cluster["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{HTTP}.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}}}}
    return {"static_resources": {
        "listeners": [{"address": {"socket_address": {"address": listen[0], "port_value": listen[1]}},
                       "filter_chains": [chain]}], "clusters": [cluster]}}


def _start(mesh, node, config, uid):
    name = f"{node.name}-envoy"
    path = os.path.join(mesh.folder, f"{name}.json")
    with open(path, "w", encoding="ascii") as file:
        json.dump(config, file)
    return mesh.start(Process(name, [PROGRAM, "-c", path, "--concurrency", "1", "--disable-hot-restart",
                                     "--log-level", "error"], node.net, mesh.folder, uid, (0, 143, 130, -15)))


def start_pair(mesh, client, server, backend_port, ports, uid):
    """Both sides, one worker each. Returns the processes; dial ports[0]."""
    near_port, far_port = ports
    make_certificates(mesh.folder, uid)
    far = _start(mesh, server, _config(("0.0.0.0", far_port), ("127.0.0.1", backend_port),
                                       _tls(mesh.folder, "server", "Downstream"), None), uid)
    near = _start(mesh, client, _config(("0.0.0.0", near_port), (server.ipv4, far_port), None,
                                        _tls(mesh.folder, "client", "Upstream")), uid)

    def answers():
        with client.connect("127.0.0.1", near_port) as probe:
            probe.sendall(b"GET /1 HTTP/1.1\r\nhost: load\r\n\r\n")
            return probe.recv(12) == b"HTTP/1.1 200"
    wait_until(answers, "Envoy to forward")
    return near, far

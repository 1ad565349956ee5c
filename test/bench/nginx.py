"""nginx on both sides of mutual TLS, HTTP/1.1 between (it speaks no HTTP/2 to a server)."""
import os
import subprocess

from haproxy import make_certificates
from mesh import Process, wait_until

CONFIG = """
daemon off;
worker_processes 1;
pid {own}/{name}.pid;
error_log {own}/{name}.err warn;
worker_rlimit_nofile 60000;
events {{ worker_connections 25000; }}
http {{
    access_log off;
    client_body_temp_path {own}/{name}-body;
    proxy_temp_path {own}/{name}-proxy;
    fastcgi_temp_path {own}/{name}-fastcgi;
    uwsgi_temp_path {own}/{name}-uwsgi;
    scgi_temp_path {own}/{name}-scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    tcp_nodelay on;
    upstream out {{ server {server}; keepalive 1024; keepalive_requests 1000000000; }}
    server {{
        listen {listen};
        {tls}
        location / {{
            proxy_pass {scheme}://out;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_ssl_certificate {folder}/client.pem;
            proxy_ssl_certificate_key {folder}/client.pem;
            proxy_ssl_trusted_certificate {folder}/ca.pem;
            proxy_ssl_verify on;
            proxy_ssl_name server;
            proxy_ssl_protocols TLSv1.3;
        }}
    }}
}}
"""

TLS = """ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
        ssl_client_certificate {folder}/ca.pem; ssl_verify_client on; ssl_protocols TLSv1.3;"""


def _start(mesh, node, listen, server, scheme, tls, uid):
    name = f"{node.name}-nginx"
    own = os.path.join(mesh.folder, name)
    os.mkdir(own)
    if uid is not None:
        os.chown(own, uid, uid)
    path = os.path.join(mesh.folder, f"{name}.cfg")
    with open(path, "w", encoding="ascii") as file:
        file.write(CONFIG.format(folder=mesh.folder, own=own, name=name, listen=listen, server=server,
                                 scheme=scheme, tls=tls.format(folder=mesh.folder)))
    return mesh.start(Process(name, ["/usr/sbin/nginx", "-c", path, "-e", f"{own}/{name}.err"],
                              node.net, mesh.folder, uid, (0, 143, 130, -15)))


def _worker(process):
    """The worker does the work; the process that was started only watches it."""
    children = f"/proc/{process.pid}/task/{process.pid}/children"
    with open(children, encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def start_pair(mesh, client, server, backend_port, ports, uid):
    """Both sides. Returns the processes, workers included; dial ports[0]."""
    near_port, far_port = ports
    make_certificates(mesh.folder, uid)
    far = _start(mesh, server, f"[::]:{far_port} ssl ipv6only=off", f"127.0.0.1:{backend_port}", "http", TLS,
                 uid)
    near = _start(mesh, client, f"[::]:{near_port} ipv6only=off", f"{server.ipv4}:{far_port}", "https", "", uid)

    def answers():
        with client.connect("127.0.0.1", near_port) as probe:
            probe.sendall(b"GET /1 HTTP/1.1\r\nhost: load\r\n\r\n")
            return probe.recv(12) == b"HTTP/1.1 200"
    wait_until(answers, "nginx to forward")
    return [_Pid(pid) for process in (near, far) for pid in [process.pid, *_worker(process)]]


class _Pid:
    def __init__(self, pid):
        self.pid = pid

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * 4096


def version():
    text = subprocess.run(["/usr/sbin/nginx", "-v"], capture_output=True, text=True, check=True).stderr
    return text.strip().rsplit("/", 1)[-1]

"""HAProxy on both sides of mutual TLS, in TCP mode, or in HTTP mode with HTTP/2 or HTTP/1.1 between.

One thread each, as the proxies have one worker; P-256 certificates; TLS 1.3; every connection makes a
full handshake, as Outrigger's do.
"""
import datetime
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mesh import Process, wait_until

TLS_PORT, LOCAL_PORT = 9443, 9000
# What is spoken between the two: the mode, and what is added to the far bind and the near server.
PROTOCOLS = {"tcp": ("tcp", "", ""), "h1": ("http", "", ""),
             "h2": ("http", "alpn h2", "alpn h2")}

CONFIG = """
global
    nbthread 1
    maxconn {maxconn}
    tune.ssl.cachesize 0
defaults
    mode {mode}
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    {reuse}
frontend in
    bind {bind}
    default_backend out
backend out
    server one {server}
"""


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(subject, key, issuer, issuer_key, is_ca):
    now = datetime.datetime.utcnow()
    builder = (x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer))
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now - datetime.timedelta(hours=1))
               .not_valid_after(now + datetime.timedelta(days=1))
               .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
               .add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False))
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def make_certificates(folder, uid=None):
    """ca.pem, and client.pem and server.pem with their keys, in the folder; `uid` may read them."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    files = {"ca.pem": _certificate("bench-ca", ca_key, "bench-ca", ca_key, True)}
    for name in ("client", "server"):
        key = ec.generate_private_key(ec.SECP256R1())
        files[f"{name}.pem"] = _certificate(name, key, "bench-ca", ca_key, False) + _pem(key)
    for name, pem in files.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(pem)
        if uid is not None:
            os.chown(os.path.join(folder, name), uid, uid)


def _start(mesh, node, name, bind, server, maxconn, mode, uid):
    path = os.path.join(mesh.folder, f"{name}.cfg")
    reuse = "http-reuse always" if mode == "http" else ""
    with open(path, "w", encoding="ascii") as file:
        file.write(CONFIG.format(bind=bind, server=server, maxconn=maxconn,
                                 name=name, mode=mode, reuse=reuse))
    return mesh.start(Process(name, ["/usr/sbin/haproxy", "-db", "-f", path], node.net, mesh.folder,
                              uid, (0, 143, 130, -15)))


def start_pair(mesh, client, server, backend_port, maxconn=25000, protocol="tcp",
               ports=(LOCAL_PORT, TLS_PORT), uid=None):
    """Both sides, in the nodes `client` and `server`. Returns the processes; dial ports[0]."""
    near_port, far_port = ports
    mode, bind, toward = PROTOCOLS[protocol]
    make_certificates(mesh.folder, uid)
    tls = f"ssl ca-file {mesh.folder}/ca.pem verify required ssl-min-ver TLSv1.3"
    far = _start(mesh, server, f"{server.name}-haproxy",
                 f":::{far_port} v4v6 {tls} crt {mesh.folder}/server.pem no-tls-tickets {bind}",
                 f"127.0.0.1:{backend_port}", maxconn, mode, uid)
    near = _start(mesh, client, f"{client.name}-haproxy", f":::{near_port} v4v6",
                  f"{server.ipv4}:{far_port} {tls} crt {mesh.folder}/client.pem sni str(server) "
                  f"no-ssl-reuse {toward}", maxconn, mode, uid)
    wait_until(lambda: _answers(client, mode, near_port), "HAProxy to forward")
    return near, far


def _answers(client, mode, port):
    with client.connect("127.0.0.1", port) as probe:
        if mode == "tcp":
            probe.sendall(b"Ex")
            return probe.recv(1) == b"x"
        probe.sendall(b"GET /1 HTTP/1.1\r\nhost: load\r\n\r\n")
        return probe.recv(12) == b"HTTP/1.1 200"

"""What the gRPC interop stories share: our two programs, and Python's client and server."""
import datetime
import os
import queue
import signal
import subprocess
import threading
from concurrent import futures

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mesh.process import SANITIZER, SANITIZER_ENV
from mesh.programs import BUILD
from mesh.wait import wait_until

DOMAIN = "mesh.test"
WAIT = 20.0  # seconds, the longest that anything here may take


class Program:
    """One of our programs on loopback, its lines read as they come."""

    def __init__(self, name, **options):
        words = [f"{key}={value}" for key, value in options.items()]
        path = os.path.join(BUILD, "test", "programs", name)
        self.process = subprocess.Popen([path, *words], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        encoding="utf-8", env={**os.environ, **SANITIZER_ENV})
        self.lines, self.errors, self._new = [], [], queue.Queue()
        self._readers = [threading.Thread(target=self._read, daemon=True),
                         threading.Thread(target=self._read_errors, daemon=True)]
        for reader in self._readers:
            reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            self._new.put(None)

    def _read_errors(self):
        self.errors.extend(self.process.stderr)

    def wait_for(self, start, count=1, timeout=WAIT):
        """The `count`-th line that starts like that."""
        def found():
            fitting = [line for line in list(self.lines) if line.startswith(start)]
            return fitting[count - 1] if len(fitting) >= count else None
        try:
            return wait_until(found, f"{start!r} for the {count}. time", timeout)
        except AssertionError as problem:
            raise AssertionError(f"{problem}\n{self.lines[-20:]}\n{''.join(self.errors)}") from None

    def count(self, start):
        return sum(line.startswith(start) for line in list(self.lines))

    def say(self, *lines):
        self.process.stdin.write("".join(line + "\n" for line in lines))
        self.process.stdin.flush()

    def exchange(self, number=9):
        """Of a client: one short call on its connection, to its end."""
        ends = self.count(f"end {number} OK")
        self.say(f"call {number} /test.Echo/Unary 10000", f"send {number} x", f"done {number}")
        self.wait_for(f"end {number} OK", count=ends + 1)

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def connections(self):
        """Descriptors that are sockets."""
        folder = f"/proc/{self.process.pid}/fd"
        return sum(os.readlink(os.path.join(folder, fd)).startswith("socket:")
                   for fd in os.listdir(folder))

    def close(self, number=signal.SIGINT):
        """The end: nothing leaked, nothing overrun, exit code 0."""
        if self.process.stdin:
            self.process.stdin.close()
        if number and self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(WAIT)
        for reader in self._readers:
            reader.join(WAIT)
        text = "".join(self.errors)
        assert not SANITIZER.search(text), text
        assert code == 0, f"exit code {code}\n{text}"

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.close()
        else:
            self.process.kill()
            self.process.wait()


def settle(value, exchange, rounds=20, slack=64 * 1024):
    """Exchanges something over the same connection until `value` stood still after so many in a row.

    Every exchange gives both sides a turn in which what is not held back goes on. The slack, less than one of
    the messages held back, is for the address sanitizer, which keeps what the exchange itself has freed.
    """
    same = 0
    last = value()

    def is_settled():
        nonlocal same, last
        exchange()
        now = value()
        same = same + 1 if abs(now - last) < slack else 0
        last = now
        return same >= rounds
    wait_until(is_settled, "what is held back to stand still", WAIT, every=0)
    return last


class EchoServer(Program):
    """Our server."""

    def __init__(self, **options):
        super().__init__("grpc_echo_server", **options)
        self.port = int(self.wait_for("port").split()[1])
        self.target = f"127.0.0.1:{self.port}"


class EchoClient(Program):
    """Our client. It ends when its standard input does."""

    def __init__(self, target, **options):
        super().__init__("grpc_echo_client", target=target, **options)

    def close(self, number=None):
        super().close(number)


class Stub:
    """Python's client for our server: bytes in, bytes out."""

    def __init__(self, target, credentials=None, options=()):
        self.channel = grpc.secure_channel(target, credentials, options=options) if credentials \
            else grpc.insecure_channel(target, options=options)
        self.unary = self.channel.unary_unary("/test.Echo/Unary")
        self.bidi = self.channel.stream_stream("/test.Echo/Bidi")
        self.fail = self.channel.unary_unary("/test.Echo/Fail")
        self.hang = self.channel.unary_unary("/test.Echo/Hang")
        self.hang_stream = self.channel.stream_unary("/test.Echo/Hang")
        self.source = self.channel.unary_stream("/test.Echo/Source")
        self.sink = self.channel.stream_unary("/test.Echo/Sink")
        self.who = self.channel.unary_unary("/test.Echo/Who")

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.channel.close()


def detail_bytes(call):
    """grpc-status-details-bin of a call that failed."""
    return dict(call.trailing_metadata()).get("grpc-status-details-bin", b"")


class PythonServer:
    """Python's server with the methods of ours, for our client."""

    def __init__(self, port=0, credentials=None, options=()):
        self.deadlines, self.released = [], threading.Event()
        self.sent = 0  # by Source
        self.server = grpc.server(futures.ThreadPoolExecutor(8), options=[
            ("grpc.so_reuseport", 0), *options])
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", {
            "Unary": grpc.unary_unary_rpc_method_handler(self._unary),
            "Bidi": grpc.stream_stream_rpc_method_handler(lambda requests, context: requests),
            "Fail": grpc.unary_unary_rpc_method_handler(self._fail),
            "Hang": grpc.unary_unary_rpc_method_handler(self._hang),
            "Source": grpc.unary_stream_rpc_method_handler(self._source),
            "Slow": grpc.stream_unary_rpc_method_handler(self._slow),
        }),))
        address = f"127.0.0.1:{port}"
        self.port = self.server.add_secure_port(address, credentials) if credentials \
            else self.server.add_insecure_port(address)
        assert self.port, f"cannot listen at {address}"
        self.target = f"127.0.0.1:{self.port}"
        self.server.start()

    def _unary(self, request, context):
        self.deadlines.append(context.time_remaining())
        return request

    @staticmethod
    def _fail(request, context):
        code, _, message = request.decode().partition(" ")
        context.set_trailing_metadata((("grpc-status-details-bin", message.encode()),))
        context.set_code(next(c for c in grpc.StatusCode if c.value[0] == int(code)))
        context.set_details(message)
        return b""

    def _hang(self, request, context):
        del request
        stopped = threading.Event()
        context.add_callback(stopped.set)
        stopped.wait(WAIT)
        return b""

    def _source(self, request, context):
        count, size = (int(word) for word in request.split())
        for _ in range(count):
            self.sent += size
            yield bytes(size)

    def _slow(self, requests, context):
        """Reads nothing before it is released."""
        self.released.wait(WAIT)
        return str(sum(len(request) for request in requests)).encode()

    def stop(self, grace=0):
        self.released.set()
        self.server.stop(grace).wait(WAIT)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.stop()


class Authority:
    """A signer of one trust domain, its certificates in PEM files."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "interop root")])
        self.cert = self._sign(self.name, self.key.public_key(), [
            (x509.BasicConstraints(True, None), True), (self._usage(key_cert_sign=True), True),
            (x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"spiffe://{DOMAIN}")]),
             False)])
        self.anchors = self._write("anchors.pem", self._pem(self.cert))

    @staticmethod
    def _usage(**on):
        names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
                 "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
        return x509.KeyUsage(**{name: on.get(name, False) for name in names})

    def _sign(self, subject, public_key, extensions):
        now = datetime.datetime.utcnow()
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name)
        builder = builder.public_key(public_key).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(minutes=5))
        builder = builder.not_valid_after(now + datetime.timedelta(hours=1))
        for extension, is_critical in extensions:
            builder = builder.add_extension(extension, is_critical)
        return builder.sign(self.key, hashes.SHA256())

    @staticmethod
    def _pem(cert):
        return cert.public_bytes(serialization.Encoding.PEM)

    def _write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(content)
        return path

    @staticmethod
    def identity(account):
        return f"spiffe://{DOMAIN}/ns/test/sa/{account}"

    def issue(self, account):
        """Chain and key of an account: (path, path, chain PEM, key PEM)."""
        key = ec.generate_private_key(ec.SECP256R1())
        cert = self._sign(x509.Name([]), key.public_key(), [
            (x509.BasicConstraints(False, None), True),
            (self._usage(digital_signature=True), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH,
                                    ExtendedKeyUsageOID.CLIENT_AUTH]), False),
            (x509.SubjectAlternativeName([x509.UniformResourceIdentifier(self.identity(account)),
                                          x509.DNSName(f"{account}.test")]), True)])
        key_pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                    serialization.NoEncryption())
        chain_pem = self._pem(cert)
        return (self._write(f"{account}.pem", chain_pem), self._write(f"{account}.key", key_pem),
                chain_pem, key_pem)

    def options(self, account):
        """For one of our programs."""
        chain, key, _, _ = self.issue(account)
        return {"chain": chain, "key": key, "anchors": self.anchors, "domain": DOMAIN}

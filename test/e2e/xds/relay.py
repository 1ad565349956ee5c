"""Plaintext on a UNIX socket in, TLS 1.3 to the controller out."""
import os
import select
import socket
import ssl
import tempfile
import threading


class TlsRelay:
    """`target` is (host, port); `credentials` None connects without a certificate."""

    def __init__(self, target, anchors, credentials=None):
        self._target = target
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False  # the name is a SPIFFE ID
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._context.load_verify_locations(cadata=anchors)
        self._context.set_alpn_protocols(["h2"])
        self._folder = tempfile.mkdtemp(prefix="outrigger-relay-")
        if credentials:
            path = os.path.join(self._folder, "client.pem")
            with open(path, "w", encoding="ascii") as file:
                file.write(credentials.key_pem + credentials.chain_pem)
            os.chmod(path, 0o600)
            self._context.load_cert_chain(path)
            os.unlink(path)
        self.path = os.path.join(self._folder, "socket")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._open = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self):
        return f"unix:{self.path}"

    def connect(self):
        """A TLS connection of one's own, for bytes that no library would send."""
        return self._context.wrap_socket(socket.create_connection(self._target, 5))

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target, 5)
            except OSError:
                if self._listener.fileno() < 0:
                    return
                near.close()
                continue
            far.settimeout(None)
            self._open |= {near, far}
            threading.Thread(target=self._pump, args=(near, far), daemon=True).start()

    def _pump(self, near, far):
        """One connection, on one thread: an SSL object must not be used by two at once."""
        arrived, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self._context.wrap_bio(arrived, leaving)
        waiting = b""
        is_ready = False
        try:
            while True:
                try:
                    if not is_ready:
                        tls.do_handshake()
                        is_ready = True
                    while waiting:
                        waiting = waiting[tls.write(waiting):]
                    while True:
                        data = tls.read(65536)
                        if not data:
                            return
                        near.sendall(data)
                except ssl.SSLWantReadError:
                    pass
                finally:
                    far.sendall(leaving.read())
                for ready in select.select([near, far], [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    if ready is far:
                        arrived.write(data)
                    else:
                        waiting += data
        except (OSError, ValueError):
            pass
        finally:
            for end in (near, far):
                _shut(end)
                end.close()

    def close(self):
        for end in {self._listener} | self._open:
            _shut(end)
        self._listener.close()
        os.unlink(self.path)
        os.rmdir(self._folder)


def _shut(end):
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass

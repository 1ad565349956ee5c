"""Certify and delta discovery, with grpcio."""
import base64
import queue
import threading

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from . import protos

CERTIFY = "/outrigger.v1.Identity/Certify"
DELTA = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
TYPE_PREFIX = "type.googleapis.com/outrigger.v1."


def pem(der):
    text = base64.encodebytes(der).decode("ascii")
    return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"


class Credentials:
    """A key, the chain for it and who it says to be."""

    def __init__(self, key, response):
        self.key = key
        self.key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        self.chain_pem = "".join(pem(der) for der in response.chain)
        self.leaf = x509.load_der_x509_certificate(response.chain[0])
        self.not_after = response.not_after


def certify(relay, token):
    """Asks for a certificate through a relay; raises grpc.RpcError for a refusal."""
    identity = protos.load("identity")
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whatever")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, None)
    with grpc.insecure_channel(relay.address) as channel:
        call = channel.unary_unary(CERTIFY,
                                   request_serializer=identity.CertifyRequest.SerializeToString,
                                   response_deserializer=identity.CertifyResponse.FromString)
        response = call(identity.CertifyRequest(token=token, csr=request.public_bytes(Encoding.DER)),
                        timeout=10)
    return Credentials(key, response)


class DeltaStream:
    """One stream. `serialize` None sends generated messages; bytes go as they are."""

    def __init__(self, relay, node="shop/web-1"):
        self._messages = protos.load("discovery")
        self._node = protos.load("node").Node(id=node, user_agent_name="test")
        self._outgoing, self._incoming = queue.Queue(), queue.Queue()
        self._channel = grpc.insecure_channel(relay.address)
        self._call = self._channel.stream_stream(
            DELTA, request_serializer=lambda message: message,
            response_deserializer=lambda data: data)(iter(self._outgoing.get, None))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for data in self._call:
                self._incoming.put(data)
        except grpc.RpcError:
            pass
        self._incoming.put(None)

    # -- requests -----------------------------------------------------------------------------

    def send_bytes(self, data):
        self._outgoing.put(data)

    def request(self, kind, subscribe=(), unsubscribe=(), initial=None, nonce="", error=None):
        """`kind` is "Service", ... or a whole type URL."""
        message = self._messages.DeltaDiscoveryRequest(
            type_url=kind if "/" in kind else TYPE_PREFIX + kind, response_nonce=nonce,
            resource_names_subscribe=subscribe, resource_names_unsubscribe=unsubscribe,
            initial_resource_versions=initial or {})
        if self._node is not None:
            message.node.CopyFrom(self._node)
            self._node = None
        if error is not None:
            message.error_detail.code, message.error_detail.message = 3, error
        self.send_bytes(message.SerializeToString())

    def ack(self, response):
        self.request(response.type_url, nonce=response.nonce)

    def nack(self, response, error):
        self.request(response.type_url, nonce=response.nonce, error=error)

    # -- responses ----------------------------------------------------------------------------

    def receive_bytes(self, timeout=5.0):
        try:
            data = self._incoming.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"no response within {timeout} s") from None
        if data is None:
            raise AssertionError(f"the stream ended: {self._call.code()} {self._call.details()}")
        return data

    def receive(self, timeout=5.0, ack=True):
        response = self._messages.DeltaDiscoveryResponse.FromString(self.receive_bytes(timeout))
        if ack:
            self.ack(response)
        return response

    def expect(self, kind, names=(), removed=(), **options):
        """The next response: of this type, with exactly these names; returns {name: message}."""
        response = self.receive(**options)
        assert response.type_url == TYPE_PREFIX + kind, response
        assert sorted(resource.name for resource in response.resources) == sorted(names), response
        assert sorted(response.removed_resources) == sorted(removed), response
        found = {}
        for resource in response.resources:
            assert resource.version and resource.resource.type_url == TYPE_PREFIX + kind
            found[resource.name] = getattr(protos.load("resources"), kind)()
            assert resource.resource.Unpack(found[resource.name])
        self.versions = {resource.name: resource.version for resource in response.resources}
        return found

    def expect_silence(self):
        """Nothing was on its way: the answer to a name of our own comes next."""
        self._silence = getattr(self, "_silence", 0) + 1
        name = f"no-such-{self._silence}"
        self.request("Endpoints", [name])
        self.expect("Endpoints", removed=[name])
        self.request("Endpoints", unsubscribe=[name])

    def status(self, timeout=5.0):
        """(code, details) of a stream that ends now; responses before the end are passed over."""
        while True:
            try:
                self.receive_bytes(timeout)
            except AssertionError:
                break
        if not self._call.done():
            raise AssertionError("the stream is still open")
        return self._call.code(), self._call.details()

    def close(self):
        self._outgoing.put(None)
        self._call.cancel()
        self._channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

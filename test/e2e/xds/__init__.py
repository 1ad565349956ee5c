"""A generic client of the controller: identity and delta discovery through grpcio, as a stranger would
write it from the published protocol. grpcio neither verifies Ed25519 certificates nor SPIFFE IDs, so
that its bytes go through a TLS relay of Python's own ssl module."""
from .client import Credentials, DeltaStream, certify
from .controller import LocalController
from .relay import TlsRelay

__all__ = ["Credentials", "DeltaStream", "LocalController", "TlsRelay", "certify"]

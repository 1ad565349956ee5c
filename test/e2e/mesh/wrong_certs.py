"""Certificates that differ from a good one in one thing, signed by the mesh's own root or a stranger's."""
import datetime
import os

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID

_HOUR = datetime.timedelta(hours=1)


def _read(folder, name, load, *more):
    with open(os.path.join(folder, name), "rb") as file:
        return load(file.read(), *more)


def _usage(**wanted):
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
             "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in names})


class WrongCerts:
    """`state_dir` is the controller's: its root signs. make() writes a PEM file with key and chain."""

    def __init__(self, state_dir, folder):
        self._root = _read(state_dir, "root.pem", x509.load_pem_x509_certificate)
        self._key = _read(state_dir, "root.key", serialization.load_pem_private_key, None)
        self._folder, self._count = folder, 0

    def make(self, ids, is_ca=False, signs=False, age_hours=0, signer=None, usages=None):
        """A leaf with these URIs, valid for an hour that began `age_hours` ago; returns the path."""
        key = Ed25519PrivateKey.generate()
        start = datetime.datetime.utcnow() - age_hours * _HOUR - _HOUR / 60
        both = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        cert = x509.CertificateBuilder().subject_name(x509.Name([])) \
            .issuer_name(self._root.subject).public_key(key.public_key()) \
            .serial_number(x509.random_serial_number()) \
            .not_valid_before(start).not_valid_after(start + _HOUR) \
            .add_extension(x509.BasicConstraints(is_ca, None), True) \
            .add_extension(_usage(digital_signature=True, key_cert_sign=signs or is_ca), True) \
            .add_extension(x509.ExtendedKeyUsage(usages or both), False) \
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                self._root.public_key()), False)
        if ids:
            cert = cert.add_extension(x509.SubjectAlternativeName(
                [x509.UniformResourceIdentifier(text) for text in ids]), True)
        cert = cert.sign(signer or self._key, None)
        self._count += 1
        path = os.path.join(self._folder, f"wrong-{self._count}.pem")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.private_bytes(serialization.Encoding.PEM,
                                         serialization.PrivateFormat.PKCS8,
                                         serialization.NoEncryption()))
            file.write(cert.public_bytes(serialization.Encoding.PEM))
        return path

    def each(self, identity):
        """{what is wrong: path}; every one would be `identity` if it were not for that."""
        other = identity.replace("spiffe://", "spiffe://foreign.", 1)
        return {
            "another root": self.make([identity], signer=Ed25519PrivateKey.generate()),
            "expired": self.make([identity], age_hours=2),
            "not yet valid": self.make([identity], age_hours=-2),
            "foreign domain": self.make([other]),
            "two names": self.make([identity, identity + "-2"]),
            "no name": self.make([]),
            "a CA": self.make([identity], is_ca=True),
            "may sign": self.make([identity], signs=True),
            "no path": self.make([identity.split("/ns/")[0]]),
            "for servers of mail": self.make([identity],
                                             usages=[ExtendedKeyUsageOID.EMAIL_PROTECTION]),
        }

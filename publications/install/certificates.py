"""Certificates of the two servers: each signs itself, and whoever connects has a copy to compare with."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from publications.install.cluster import KeyPair

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
YEARS = 20
"""It is known by itself, not by who signed it; so nothing is gained by making it anew."""


def make_pair(addresses: Sequence[Address]) -> KeyPair:
    """Return a new certificate for a server that is reached by these addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ponte")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
        .add_extension(x509.SubjectAlternativeName(map(x509.IPAddress, addresses)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode())


def names(certificate: str, addresses: Sequence[Address]) -> bool:
    """Tell whether a certificate is one of these addresses."""
    found = x509.load_pem_x509_certificate(certificate.encode())
    told = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(told) == set(map(x509.IPAddress, addresses))

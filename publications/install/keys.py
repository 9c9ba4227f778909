"""The vitrine's certificate and the key for SSH, made once and kept with the secrets."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from publications.install.certificates import Address, make_pair, names
from publications.install.cluster import KeyPair
from publications.install.secrets import Secrets


@dataclass(frozen=True)
class SshKey:
    """A key as OpenSSH writes it."""

    public: str
    private: str


def pair_of(secrets: Secrets, name: str, address: Address) -> KeyPair:
    """Return a server's certificate, made when it is first asked for or when the server's address changed."""
    found = _read(secrets, f"{name}.crt", f"{name}.key")
    if found and names(found[0], [address]):
        return KeyPair(*found)
    made = make_pair([address])
    _keep(secrets, {f"{name}.key": made.key, f"{name}.crt": made.certificate})
    return made


def ssh_key(secrets: Secrets) -> SshKey:
    """Return the key by which the intranet comes to the VPS, made when it is first asked for."""
    if found := _read(secrets, "ssh.pub", "ssh.key"):
        return SshKey(*found)
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    made = SshKey(public.decode(), private.decode())
    _keep(secrets, {"ssh.key": made.private, "ssh.pub": made.public})
    return made


def _read(secrets: Secrets, *names: str) -> list[str] | None:
    kept = [secrets.find(name, whole=True) for name in names]
    return [one for one in kept if one] if all(kept) else None


def _keep(secrets: Secrets, texts: dict[str, str]) -> None:
    """Write the private part first: where the other one is there, both are."""
    for name, text in texts.items():
        secrets.keep(name, text, whole=True)

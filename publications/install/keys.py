"""The certificates of the two servers, made once and kept with the secrets."""

from __future__ import annotations

from publications.install.certificates import Address, make_pair, names
from publications.install.cluster import KeyPair
from publications.install.machine import SECRET, OwnedFile
from publications.install.secrets import Secrets


def pair_of(secrets: Secrets, name: str, address: Address) -> KeyPair:
    """Return a server's certificate, made when it is first asked for or when the server's address changed."""
    certificate, key = (secrets.folder / f"{name}.{kind}" for kind in ("crt", "key"))
    try:
        found = KeyPair(certificate.read_text(encoding="utf-8"), key.read_text(encoding="utf-8"))
        if names(found.certificate, [address]):
            return found
    except OSError:
        pass
    made = make_pair([address])
    if secrets.kept:  # the key first: a certificate that is there has its key
        OwnedFile(path=key, text=made.key, mode=SECRET).write()
        OwnedFile(path=certificate, text=made.certificate, mode=SECRET).write()
    return made

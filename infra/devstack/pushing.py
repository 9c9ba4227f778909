"""What the stack has beside the rest where the VPS is pushed to."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from pathlib import Path

from db.engines import connect
from infra.devstack.clusters import HOST
from infra.devstack.secrets import SecretFolders, keep, keep_push_secrets, service_dsn
from publications.declare.declaration import (
    STARTING_PATH,
    VARIABLE,
    Declaration,
    Export,
    Transport,
    parse_declaration,
    read_declaration,
)
from publications.declare.rewrite import set_transport


def word_declaration(transport: Transport) -> str:
    """Return the starting declaration with the VPS's transport."""
    text = STARTING_PATH.read_text(encoding="utf-8")
    return set_transport(text, "vps", transport) or text


def declare(transport: Transport) -> Declaration:
    """Read it; as it stands where nothing is pushed."""
    if transport == "replication":
        return read_declaration(STARTING_PATH)
    return parse_declaration(word_declaration(transport), origin=STARTING_PATH.name)


def write_push_secrets(folders: SecretFolders, export: Export, *, vitrine: int, vps: int) -> None:
    """Write what both ends of the push read. vitrine, vps: the servers' ports."""
    keep_push_secrets(folders)
    vitrine_dsn = service_dsn(folders, "vitrine", export.role, port=vitrine)
    keep(folders.push, "PONTE_PUSH_VITRINE_DSN", vitrine_dsn)
    keep(folders.ingest, "PONTE_INGEST_DSN", service_dsn(folders, "vps", "ponte_push", port=vps))


def ingest_environment(folders: SecretFolders, port: int) -> Mapping[str, str]:
    """Return what the ingest is told beside its secrets."""
    return {"PONTE_SECRETS_DIR": str(folders.ingest), "PONTE_INGEST_PORT": str(port)}


def push_environment(folders: SecretFolders, declaration: Path, port: int) -> Mapping[str, str]:
    """Return what the push is told beside its secrets. port: where the link listens."""
    return {
        "PONTE_SECRETS_DIR": str(folders.push),
        VARIABLE: str(declaration),
        "PONTE_PUSH_URL": f"http://{HOST}:{port}",
    }


def listens(port: int) -> bool:
    """Tell whether somebody takes connections there."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
        return True
    return False


def is_copied(conninfo: str) -> bool:
    """Tell whether all rows were pushed."""
    with connect(conninfo) as conn:
        return conn.execute("SELECT 1 FROM push.ways WHERE arrived IS NOT NULL").fetchone() is not None

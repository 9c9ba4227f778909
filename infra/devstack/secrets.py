"""The stack's own secrets: made once at random, one folder for each process that reads them."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

from infra.devstack.clusters import HOST
from infra.devstack.postgres import ServerUser
from infra.devstack.state import replace_file
from publications.declare.declaration import Declaration, Export, Intake
from publications.settings import conninfo_variable, dsn_variable, password_variable


@dataclass(frozen=True)
class SecretFolders:
    """Below the stack's root: what `ponte`, the API and the worker read, and the servers' passfiles."""

    root: Path

    @property
    def operator(self) -> Path:
        """What the `ponte` command reads."""
        return self.root / "secrets" / "ponte"

    @property
    def api(self) -> Path:
        """What the read API reads."""
        return self.root / "secrets" / "api"

    @property
    def worker(self) -> Path:
        """What the worker reads."""
        return self.root / "secrets" / "worker"

    @property
    def watch(self) -> Path:
        """What `ponte status`, `lag` and `panel` read."""
        return self.root / "secrets" / "watch"

    @property
    def push(self) -> Path:
        """What `ponte push` reads."""
        return self.root / "secrets" / "push"

    @property
    def ingest(self) -> Path:
        """What the VPS's ingest reads."""
        return self.root / "secrets" / "ingest"

    @property
    def passfiles(self) -> Path:
        """What the subscribers' servers read."""
        return self.root / "passfiles"

    def make(self) -> None:
        """Create the folders; only their owner enters all but the last."""
        for folder in (self.operator, self.api, self.worker, self.watch, self.push, self.ingest):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.passfiles.mkdir(exist_ok=True, mode=0o755)


def keep(folder: Path, variable: str, value: str) -> None:
    """Write one secret under its variable's name."""
    replace_file(folder / variable.lower(), value + "\n", mode=0o600)


def once(folder: Path, variable: str) -> str:
    """Return the secret under that name, made at random when there is none yet."""
    path = folder / variable.lower()
    if not path.exists():
        keep(folder, variable, secrets.token_urlsafe(32))
    return path.read_text(encoding="utf-8").strip()


def role_password(folders: SecretFolders, endpoint: str, role: str) -> str:
    """Return a role's password, made when first asked for."""
    return once(folders.operator, password_variable(endpoint, role))


def keep_dsn(folders: SecretFolders, endpoint: str, dsn: str) -> None:
    """Tell `ponte` how to reach an endpoint."""
    keep(folders.operator, dsn_variable(endpoint), dsn)


def keep_conninfo(
    folders: SecretFolders,
    hop: Intake | Export,
    *,
    port: int,
    dbname: str,
    user: ServerUser | None,
) -> None:
    """Write the passfile that the target's server reads, and tell `ponte` about it."""
    passfile = folders.passfiles / f"{hop.subscription}.pgpass"
    password = role_password(folders, hop.source, hop.role)
    replace_file(passfile, f"{HOST}:{port}:*:{hop.role}:{password}\n", mode=0o600)
    if user:
        user.own(passfile)
    conninfo = make_conninfo("", host=HOST, port=port, dbname=dbname, passfile=str(passfile))
    keep(folders.operator, conninfo_variable(hop.subscription), conninfo)


def service_dsn(folders: SecretFolders, endpoint: str, role: str, *, port: int) -> str:
    """Return how a service's role reaches its database."""
    password = role_password(folders, endpoint, role)
    return make_conninfo("", host=HOST, port=port, dbname=endpoint, user=role, password=password)


def keep_push_secrets(folders: SecretFolders) -> None:
    """Give both ends of the push what they show each other."""
    key = once(folders.push, "PONTE_PUSH_API_KEY")
    path = folders.push / "ponte_push_secret"
    if not path.exists():
        made = base64.b64encode(secrets.token_bytes(32)).decode()
        keep(folders.push, "PONTE_PUSH_SECRET", f"whsec_{made}")
    keep(folders.ingest, "PONTE_PUSH_API_KEY", key)
    keep(folders.ingest, "PONTE_PUSH_SECRET", path.read_text(encoding="utf-8").strip())


def make_passwords(folders: SecretFolders, declaration: Declaration) -> None:
    """Make the password of every declared role."""
    for hop in declaration.publishing:
        role_password(folders, hop.source, hop.role)
    for role in declaration.roles:
        role_password(folders, role.on, role.name)

"""How everybody reaches every database of a shop: connection strings, passfiles, lines of pg_hba.conf."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

from publications.decide.wire import VERIFIED
from publications.declare.declaration import Declaration, Export, Hop
from publications.install.cluster import HOST
from publications.install.machine import Machine, OwnedFile
from publications.install.secrets import Secrets
from publications.install.shop import Shop
from publications.settings import password_variable

WATCH, WORKER = "ponte_watch", "ponte_worker"
PATIENT = 5
"""Seconds: there and back over a tunnel that was asleep."""


@dataclass(frozen=True)
class Access:
    """Roles' passwords and the ways to the three servers."""

    shop: Shop
    declaration: Declaration
    secrets: Secrets

    @property
    def export(self) -> Export:
        """The hop to the VPS."""
        return self.declaration.active_exports[0]

    def password(self, endpoint: str, role: str) -> str:
        """Return a role's password, made when it is first asked for."""
        return self.secrets.once(password_variable(endpoint, role))

    def superuser(self, endpoint: str) -> str:
        """Return the password of the superuser of a cluster of ours."""
        return self.secrets.once(f"{endpoint}_superuser")

    def from_intranet(self, endpoint: str, user: str, password: str) -> str:
        """Return how a role reaches a database from the intranet's server."""
        return make_conninfo("", **self._way(endpoint), user=user, password=password)

    def administrator(self, endpoint: str) -> str:
        """Return how the superuser of a cluster of ours is reached from the intranet's server."""
        return self.from_intranet(endpoint, "postgres", self.superuser(endpoint))

    def feeder(self) -> str:
        """Return how the feeder reaches the landing tables."""
        intake = self.declaration.intake
        return self.from_intranet(intake.target, intake.role, self.password(intake.target, intake.role))

    def on_vps(self, role: str) -> str:
        """Return how a service on the VPS reaches the database beside it."""
        name = self.export.target
        return make_conninfo(
            "", host=HOST, port=self.shop.vps_port, dbname=name, user=role, password=self.password(name, role)
        )

    def _way(self, endpoint: str) -> dict[str, str | int]:
        shop, intake = self.shop, self.declaration.intake
        if endpoint == intake.source:
            return dict(shop.source)
        if endpoint == intake.target:
            return {"host": HOST, "port": shop.vitrine_port, "dbname": endpoint}
        return {"host": HOST, "port": shop.tunnel_port, "dbname": endpoint, "connect_timeout": PATIENT}

    def pusher(self) -> str:
        """Return how the push reaches the vitrine."""
        export = self.export
        return self.from_intranet(export.source, export.role, self.password(export.source, export.role))

    def intake_conninfo(self) -> str:
        """Return how the vitrine's server reaches SGP; its password is in the passfile."""
        passfile = self._passfile(self.shop.machine, self.declaration.intake)
        return make_conninfo("", **self.shop.source, passfile=str(passfile))

    def export_conninfo(self) -> str:
        """Return how the VPS's server reaches the vitrine."""
        shop, machine = self.shop, self.shop.vps_machine
        passfile = str(self._passfile(machine, self.export))
        way = {"host": str(shop.intranet), "port": str(shop.vitrine_port), "dbname": self.export.source}
        trusted = _trust(machine.certificate(self.export.source)) if shop.export_speaks_tls else _demand(shop)
        return make_conninfo("", **way, **trusted, passfile=passfile)

    def intake_passfile(self) -> OwnedFile:
        """Return what the vitrine's server reads."""
        return self._write_passfile(self.shop.machine, self.declaration.intake, self.shop.source["host"])

    def export_passfile(self) -> OwnedFile:
        """Return what the VPS's server reads."""
        return self._write_passfile(self.shop.vps_machine, self.export, str(self.shop.intranet))

    def _passfile(self, machine: Machine, hop: Hop) -> Path:
        return machine.passfiles / f"{hop.subscription}.pgpass"

    def _write_passfile(self, machine: Machine, hop: Hop, host: str) -> OwnedFile:
        escaped = host.replace("\\", "\\\\").replace(":", "\\:")
        return OwnedFile(
            path=self._passfile(machine, hop),
            text=f"{escaped}:*:*:{hop.role}:{self.password(hop.source, hop.role)}\n",
            account=machine.account("postgres"),
            mode=0o600,
        )

    def vitrine_hba(self) -> str:
        """Let the VPS's subscription in, to the one database, and nobody where rows are pushed."""
        if self.shop.is_pushed:
            return ""
        mask, kind = self.shop.vps.max_prefixlen, "hostssl" if self.shop.export_speaks_tls else "host"
        return f"{kind} {self.export.source} {self.export.role} {self.shop.vps}/{mask} scram-sha-256\n"


def _trust(certificate: Path) -> dict[str, str]:
    return {**VERIFIED, "sslrootcert": str(certificate)}


def _demand(shop: Shop) -> dict[str, str]:
    """Give no password in clear to who asks for it; a distribution's 15 does not know the word."""
    return {} if shop.vps_bindir else {"require_auth": "scram-sha-256"}

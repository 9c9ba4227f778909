"""The VPS's tables and roles, where nobody comes from the intranet to make them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from pydantic import SecretStr

from db.engines import Connection, connect
from db.migrate import History, is_current, migrate
from publications.act.catalog import read_endpoint
from publications.act.endpoints import Endpoints
from publications.act.perform import run_step
from publications.decide.diff import diff_endpoint
from publications.decide.plan import Plan
from publications.decide.spec import EndpointSpec
from publications.decide.wanted import derive_wanted
from publications.declare.declaration import Declaration, parse_declaration
from publications.install.bundle import Bundle
from publications.install.passwords import agree_on_passwords
from publications.install.step import Step
from publications.settings import PublicationsSettings


@dataclass(frozen=True)
class Window:
    """The steps after which the database beside is what the declaration says of it."""

    bundle: Bundle
    dsn: str

    def steps(self) -> Iterator[Step]:
        """Yield them, in order."""
        at = self.bundle.database
        yield Step(f"tables of {at} (ponte migrate)", self._is_current, self._migrate)
        yield agree_on_passwords(at, self._settings)
        yield Step(f"roles of {at} and what they may do", self._is_as_declared, self._make_roles)

    @property
    def _declaration(self) -> Declaration:
        return parse_declaration(self.bundle.declaration, origin="the archive's declaration")

    @property
    def _settings(self) -> PublicationsSettings:
        at = self.bundle.database
        passwords = {(at, role): SecretStr(word) for role, word in self.bundle.passwords.items()}
        return PublicationsSettings({at: SecretStr(self.dsn)}, {}, passwords)

    def _is_current(self) -> bool:
        try:
            return is_current(History.VPS, self.dsn)
        except Exception:  # noqa: BLE001  # whatever it is, doing it says
            return False

    def _migrate(self) -> None:
        migrate(History.VPS, self.dsn)

    def _is_as_declared(self) -> bool:
        try:
            with connect(self.dsn) as conn:
                return self._compare(conn).steps == ()
        except psycopg.Error:
            return False

    def _make_roles(self) -> None:
        endpoints = Endpoints(self._declaration, self._settings)
        with connect(self.dsn) as conn:
            endpoints.connections[self.bundle.database] = conn
            for step in self._compare(conn).steps:
                run_step(endpoints, step)

    def _compare(self, conn: Connection) -> Plan:
        """Compare roles and grants alone: tables are the migrations', and rows come by the push."""
        at = self.bundle.database
        wanted = derive_wanted(self._declaration, source={}, conninfos={}, filters={})[at]
        live = read_endpoint(
            conn, at, roles=wanted.roles.keys(), tables=(), published=(), kept={}, exports=False
        )
        steps = diff_endpoint(_roles_of(wanted), _roles_of(live))
        return Plan(tuple(sorted(steps, key=lambda step: step.phase)))


def _roles_of(spec: EndpointSpec) -> EndpointSpec:
    return EndpointSpec(spec.name, roles=spec.roles, grants=spec.grants)

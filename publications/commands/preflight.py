"""`ponte preflight`: what will stop the road sooner or later; some is seen on its own machine alone."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence

from db.errors import PonteError, SettingsError
from db.reasons import explained
from db.sgp_file import VARIABLE as SGP_FILE
from db.shown import dump_json, show
from db.unreached import open_database
from publications.act.endpoints import read_file_columns
from publications.act.preflight import read_file, read_server
from publications.commands import FAILED, OK, PENDING
from publications.commands.given import read_given
from publications.decide.preflight import find_verdicts
from publications.decide.preflight_file import CATEGORY, find_file_verdicts
from publications.decide.verdicts import Outcome, Verdict, find_worst
from publications.declare.declaration import Declaration
from publications.settings import dsn_variable, read_conninfo, read_dsn, read_role_passwords, read_sgp_file
from publications.watch.link import link_checks
from publications.watch.link_settings import LinkSettings

CODES: Mapping[Outcome, int] = {
    Outcome.OK: OK,
    Outcome.FOUND: PENDING,
    Outcome.UNKNOWN: PENDING,
    Outcome.FAILED: FAILED,
}


def look_ahead(arguments: argparse.Namespace) -> int:
    """Check the servers, or the tunnel, and print what is seen; 1 where something could not be asked."""
    found = link_checks(LinkSettings.load()) if arguments.link else [*check_servers(arguments)]
    print(to_json(found) if arguments.json else to_text(found))
    return CODES[find_worst(found)]


def check_servers(arguments: argparse.Namespace) -> Iterable[Verdict]:
    """Check those servers that are named, or else all whose connection strings this machine has."""
    declaration = read_given(arguments)
    if declaration.intake.is_fed and os.environ.get(SGP_FILE) and not arguments.endpoints:
        yield from _check_file(declaration)
    for endpoint in _choose(declaration, arguments.endpoints):
        try:
            yield from _check_server(declaration, endpoint)
        except PonteError as error:
            yield Verdict("server", endpoint, "reach", Outcome.FAILED, error.fact, error.hint)


def _check_file(declaration: Declaration) -> Iterable[Verdict]:
    """Read it as the feeder does, by this account."""
    name, path = declaration.intake.source, read_sgp_file(declaration, os.environ)
    if path is None:
        return
    try:
        read_file_columns(path, [])
        yield from find_file_verdicts(read_file(path, name))
    except PonteError as error:
        yield Verdict(CATEGORY, name, "reach", Outcome.FAILED, error.fact, error.hint)


def _choose(declaration: Declaration, named: Sequence[str]) -> Sequence[str]:
    """Raise SettingsError for one that is not declared, or if this machine knows none."""
    if unknown := [name for name in named if name not in declaration.endpoints]:
        known = ", ".join(declaration.endpoints)
        raise SettingsError(f"no endpoint {unknown[0]} is declared", f"name one of {known}")
    if chosen := named or [name for name in declaration.endpoints if read_dsn(name, os.environ)]:
        return chosen
    raise SettingsError(
        f"not set: {', '.join(map(dsn_variable, declaration.endpoints))}",
        "set those of the servers that this machine reaches, in the environment or in PONTE_SECRETS_DIR",
    )


def _check_server(declaration: Declaration, endpoint: str) -> list[Verdict]:
    source = dsn_variable(endpoint)
    dsn = read_dsn(endpoint, os.environ)
    if dsn is None:
        raise SettingsError(f"not set: {source}", "set it in the environment or in PONTE_SECRETS_DIR")
    hops = [hop for hop in declaration.hops if hop.target == endpoint]
    known = {hop.subscription: read_conninfo(hop.subscription, os.environ) for hop in hops}
    conninfos = {name: conninfo for name, conninfo in known.items() if conninfo}
    with (
        explained(endpoint, source),
        open_database(dsn.get_secret_value(), name=endpoint, source=source) as conn,
    ):
        seen = read_server(
            conn, dsn.get_secret_value(), declaration, endpoint,
            conninfos=conninfos, passwords=read_role_passwords(declaration, endpoint, os.environ),
        )  # fmt: skip
    return find_verdicts(seen)


def to_text(found: Sequence[Verdict]) -> str:
    """Return a line for each verdict, by category, with the next step where one is needed."""
    lines = []
    for one in sorted(found, key=lambda one: (one.subject, one.category)):
        lines.append(f"{one.outcome:<8} {one.subject:<8} {one.category:<12} {one.name:<14} {show(one.fact)}")
        lines += [f"HINT: {show(one.hint)}"] if one.hint else []
    return "\n".join(lines)


def to_json(found: Sequence[Verdict]) -> str:
    """Return one object: the worst outcome, and all verdicts."""
    shown = {"outcome": find_worst(found), "checks": [dataclasses.asdict(one) for one in found]}
    return dump_json(shown, indent=2)

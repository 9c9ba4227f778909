"""The settings of the `ponte` command, read once in `main`.

For each endpoint `PONTE_<ENDPOINT>_DSN`, a libpq connection string of an administrator; for each
subscription `PONTE_<SUBSCRIPTION>_CONNINFO`, how its target reaches its source, with a `passfile` that
the target's server can read; for each role to be made `PONTE_<ENDPOINT>_<ROLE>_PASSWORD`. Whoever watches
reads `PONTE_WATCH_<ENDPOINT>_DSN` instead, of a role that may only look. All may also
be files in the folder that `PONTE_SECRETS_DIR` names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from db import sgp_file
from db.errors import SettingsError
from db.settings import PREFIX, PonteSettings, Words, parse_conninfo, read_secret
from publications.declare.declaration import Declaration

VERIFY_PERCENT = 5.0
"""Of one core of each server: what whoever watches may spend on comparing."""


@dataclass(frozen=True)
class PublicationsSettings:
    """Where the databases are and how they reach each other."""

    dsns: Mapping[str, SecretStr]
    """By endpoint."""
    conninfos: Mapping[str, Mapping[str, str]]
    """By subscription; without a password."""
    passwords: Mapping[tuple[str, str], SecretStr] = field(default_factory=dict)
    """By endpoint and role; only those that are set."""
    sgp_file: Path | None = None
    """SGP's database, where it is a file."""

    def dsn(self, endpoint: str) -> str:
        """Return the endpoint's connection string for libpq."""
        return self.dsns[endpoint].get_secret_value()


def dsn_variable(endpoint: str) -> str:
    """Name the variable that holds an endpoint's connection string."""
    return f"{PREFIX}{endpoint}_DSN".upper()


def conninfo_variable(subscription: str) -> str:
    """Name the variable that says how a subscription reaches its publisher."""
    return f"{PREFIX}{subscription}_CONNINFO".upper()


def watch_variable(endpoint: str) -> str:
    """Name the variable that holds an endpoint's connection string for whoever watches."""
    return f"{PREFIX}WATCH_{endpoint}_DSN".upper()


def password_variable(endpoint: str, role: str) -> str:
    """Name the variable that holds a role's password."""
    return f"{PREFIX}{endpoint}_{role}_PASSWORD".upper()


def read_settings(declaration: Declaration, environ: Mapping[str, str]) -> PublicationsSettings:
    """Read what the declaration needs. Raise SettingsError naming every variable that is missing."""
    dsns = {name: read_secret(dsn_variable(name), environ) for name in declaration.endpoints}
    given = {
        hop.subscription: read_secret(conninfo_variable(hop.subscription), environ)
        for hop in declaration.hops
    }
    missing = [dsn_variable(name) for name, dsn in dsns.items() if dsn is None]
    missing += [conninfo_variable(name) for name, conninfo in given.items() if conninfo is None]
    if missing:
        raise SettingsError(
            f"not set: {', '.join(missing)}",
            "set them in the environment or as files in PONTE_SECRETS_DIR, such as"
            " 'host=127.0.0.1 port=5432 dbname=sgp user=postgres passfile=/etc/ponte/pgpass'",
        )
    for name, dsn in dsns.items():
        _check_conninfo(dsn_variable(name), dsn)
    return PublicationsSettings(
        dsns={name: dsn for name, dsn in dsns.items() if dsn is not None},
        conninfos={
            name: _parse_conninfo(name, conninfo) for name, conninfo in given.items() if conninfo is not None
        },
        passwords=_read_passwords(declaration, environ),
        sgp_file=read_sgp_file(declaration, environ),
    )


def read_sgp_file(declaration: Declaration, environ: Mapping[str, str]) -> Path | None:
    """Return SGP's database where it is a file. Raise SettingsError where it should be told and is not."""
    given = environ.get(sgp_file.VARIABLE)
    if not declaration.intake.is_fed:
        return None
    if not given or not Path(given).is_absolute():
        raise SettingsError(
            f"{sgp_file.VARIABLE} is not set to an absolute path",
            "the declaration's intake is of kind sqlite: name SGP's database file there",
        )
    return Path(given)


def read_dsn(endpoint: str, environ: Mapping[str, str]) -> SecretStr | None:
    """Return how an administrator reaches an endpoint, if this machine knows."""
    dsn = read_secret(dsn_variable(endpoint), environ)
    _check_conninfo(dsn_variable(endpoint), dsn)
    return dsn


def read_role_passwords(
    declaration: Declaration, endpoint: str, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the passwords of an endpoint's declared roles, as far as this machine knows them."""
    found = _read_passwords(declaration, environ)
    return {role: one.get_secret_value() for (at, role), one in found.items() if at == endpoint}


def read_conninfo(subscription: str, environ: Mapping[str, str]) -> Mapping[str, str] | None:
    """Return how a subscription reaches its publisher, if this machine knows."""
    given = read_secret(conninfo_variable(subscription), environ)
    return _parse_conninfo(subscription, given) if given else None


class WatchSettings(PonteSettings):
    """What `ponte status`, `lag` and `panel` need beside the connection strings of their own role."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}PANEL_", env_ignore_empty=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8090, ge=1, le=65535)
    poll_seconds: float = Field(default=1.0, gt=0, le=2)
    """Seconds between two looks; the panel is silent 3.5 s after the last."""
    record_seconds: float = Field(default=10.0, gt=0)
    """Seconds between two lines of the history; a change of state is written at once."""
    verify_percent: float = Field(default=VERIFY_PERCENT, gt=0, le=100)
    """Of one core of each server, spent on comparing the two ends of each hop."""
    heal: bool = False
    """Heal by itself what differs; it then needs the administrators' connection strings too."""
    heal_removed_percent: float = Field(default=1.0, ge=0, le=100)
    """Of a table's rows: if more would be removed, nothing of it is healed without people."""
    names: Words = ()
    """Names with a dot under which browsers may ask for the panel, parted by commas or blanks."""
    disk: Path | None = None
    """A folder on the disk that fills with WAL; unless told, where the servers keep their files."""


class VerifySettings(PonteSettings):
    """How hard `ponte verify`, `heal` and `recover` may work."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}VERIFY_", env_ignore_empty=True)

    core_percent: float = Field(default=50.0, gt=0, le=100)
    """Of one core of each server."""
    fence_seconds: float = Field(default=30.0, gt=0)
    """How long rows that differ may be on their way."""


def read_healing_dsns(declaration: Declaration, environ: Mapping[str, str]) -> dict[str, SecretStr]:
    """Return how each endpoint's administrator reaches it. Raise SettingsError naming all that is missing."""
    found = {name: read_secret(dsn_variable(name), environ) for name in declaration.watched}
    missing = [dsn_variable(name) for name, dsn in found.items() if dsn is None]
    if missing:
        raise SettingsError(
            f"PONTE_PANEL_HEAL is on, and not set are: {', '.join(missing)}",
            "set them as for 'ponte heal', or switch PONTE_PANEL_HEAL off",
        )
    return {name: dsn for name, dsn in found.items() if dsn is not None}


def read_watch_dsns(declaration: Declaration, environ: Mapping[str, str]) -> dict[str, SecretStr]:
    """Return how the watch reaches each endpoint. Raise SettingsError naming all that is missing."""
    found = {name: read_secret(watch_variable(name), environ) for name in declaration.watched}
    missing = [watch_variable(name) for name, dsn in found.items() if dsn is None]
    if missing:
        raise SettingsError(
            f"not set: {', '.join(missing)}",
            "set them to libpq connection strings of the role ponte_watch, in the environment or as files in"
            " PONTE_SECRETS_DIR",
        )
    for name, dsn in found.items():
        _check_conninfo(watch_variable(name), dsn)
    return {name: dsn for name, dsn in found.items() if dsn is not None}


def _check_conninfo(variable: str, dsn: SecretStr | None) -> None:
    """Refuse what libpq would."""
    try:
        parse_conninfo(dsn or SecretStr(""))
    except ValueError:
        raise SettingsError(
            f"{variable} is no libpq connection string",
            "write it as 'host=… port=…'; quote a value with blanks",
        ) from None


def _parse_conninfo(subscription: str, conninfo: SecretStr) -> dict[str, str]:
    variable = conninfo_variable(subscription)
    try:
        parsed = parse_conninfo(conninfo)
    except ValueError:
        raise SettingsError(
            f"{variable} is no libpq connection string", "write it as 'host=… port=…'"
        ) from None
    if "password" in parsed:
        raise SettingsError(
            f"{variable} holds a password, which every reader of the subscriber's catalog would see",
            "use passfile=… with a file that only the subscriber's server can read",
        )
    return parsed


def _read_passwords(declaration: Declaration, environ: Mapping[str, str]) -> dict[tuple[str, str], SecretStr]:
    roles = [*declaration.carriers, *((role.on, role.name) for role in declaration.roles)]
    found = {(at, role): read_secret(password_variable(at, role), environ) for at, role in roles}
    for (at, role), password in found.items():
        if password is not None and not password.get_secret_value():
            raise SettingsError(f"{password_variable(at, role)} is empty", "set it to that role's password")
    return {key: password for key, password in found.items() if password is not None}

"""The declaration: `sgp.toml` as strict, frozen models. Pure but for reading the one file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from db.errors import SettingsError, word
from publications.declare.faults import DeclarationError, explain_fault
from publications.declare.names import TableName

STARTING_PATH = Path(__file__).parents[1] / "sgp.toml"
"""What a shop starts from and what the dev stack carries; no command reads it unless it is named."""
VARIABLE = "PONTE_DECLARATION"
HOW_TO_GIVE = f"give --declaration FILE or set {VARIABLE}"

Name = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]
Operation = Literal["insert", "update", "delete"]
IntakeOperation = Literal["insert", "update", "delete", "truncate"]
"""A TRUNCATE knows no filter, so it does not leave the window; SGP's empties it."""
IntakeKind = Literal["postgresql", "sqlite"]
"""What SGP's data lies in: PostgreSQL publishes it; of SQLite a feeder has to read the file."""
Transport = Literal["replication", "push"]
"""Who brings a subscriber its rows: its own subscription, or the service `ponte push` by signed requests."""
Columns = Annotated[tuple[Name, ...], Field(min_length=1)]
Membership = Literal["pg_monitor", "pg_read_all_stats", "pg_read_all_settings"]
"""Groups that show how a server does; those that show or change its data can't be declared."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Privacy(_Model):
    """The classes of one source table's columns."""

    public: tuple[Name, ...] = ()
    internal: tuple[Name, ...] = ()
    secret: tuple[Name, ...] = ()


class PublishedTable(_Model):
    """One table of a hop, with a publication of its own."""

    name: TableName
    publication: Name
    columns: Columns
    where: str | None = None


class LandedTable(PublishedTable):
    """A table of the intake: where it lands, a trigger calls the projection."""

    projection: Name
    where: None = None


class Options(_Model):
    """The subscription's options, as PostgreSQL names them."""

    synchronous_commit: Literal["on", "off", "local", "remote_write", "remote_apply"]
    streaming: Literal["off", "on", "parallel"] = "off"
    binary: bool = False
    disable_on_error: bool = False


class ExportOptions(Options):
    """The same of an export: who inserts on the VPS takes turns, and would wait for himself in parallel."""

    streaming: Literal["off", "on"] = "off"


class Hop(_Model):
    """One subscription and what it carries."""

    source: Name
    target: Name
    role: Name
    subscription: Name
    slot: Name
    operations: tuple[IntakeOperation, ...]
    options: Options
    connection: dict[Name, str] = Field(default_factory=dict)
    """libpq keywords of the subscription's connection string; where the source is comes from the settings."""
    wire: Literal["tls", "tailnet"] = "tls"
    """What keeps others out where it leaves the machine: TLS that verifies, or Tailscale's own encryption."""

    @property
    def trusts_tailnet(self) -> bool:
        """Tell whether a tailnet's address needs no TLS."""
        return self.wire == "tailnet"

    @property
    def kept_by(self) -> str:
        """Name the slot that its carrier reads."""
        return self.slot


class Intake(Hop):
    """The hop from SGP to the window's cluster."""

    kind: IntakeKind = "postgresql"
    """What SGP's database is. A SQLite file is read by the feeder: no publication or slot carries it."""
    tables: tuple[LandedTable, ...]

    @property
    def is_fed(self) -> bool:
        """Tell whether the feeder carries it."""
        return self.kind == "sqlite"

    @property
    def role_on(self) -> str:
        """Where the role of its carrier is: a subscription's at its source, the feeder's at its target."""
        return self.target if self.is_fed else self.source


class Export(Hop):
    """The hop from the window to one subscriber."""

    options: ExportOptions
    transport: Transport = "replication"
    """`push`: no subscription fetches it, and the subscriber's server needs no way to the window's."""
    operations: tuple[Operation, ...]
    tables: tuple[PublishedTable, ...]
    removed: bool = False
    """This subscriber is to have nothing any more: with --allow-drop all that served it is taken away."""

    @property
    def is_pushed(self) -> bool:
        """Tell whether `ponte push` carries it."""
        return self.transport == "push"

    @property
    def kept_by(self) -> str:
        """Name the slot that its carrier reads: one is there before the other goes."""
        return f"{self.slot}_push" if self.is_pushed else self.slot


class Grant(_Model):
    """What a role may do with one table or function."""

    privileges: Annotated[
        tuple[Literal["select", "insert", "update", "delete", "execute"], ...], Field(min_length=1)
    ]
    table: TableName | None = None
    function: str | None = None
    columns: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _one_object(self) -> Self:
        if (self.table is None) == (self.function is None):
            raise ValueError("a grant names one table or one function")
        return self


class Role(_Model):
    """A service's role on one endpoint."""

    on: Name
    name: Name
    settings: dict[Name, str] = Field(default_factory=dict)
    member_of: tuple[Membership, ...] = ()
    grants: tuple[Grant, ...] = ()
    proves: bool = False
    """It compares the two ends of each hop, so it reads what travels, and no other column."""


class Declaration(_Model):
    """All that leaves, on both hops."""

    version: Literal[1]
    privacy: dict[TableName, Privacy]
    intake: Intake
    exports: tuple[Export, ...]
    roles: tuple[Role, ...] = ()

    @model_validator(mode="after")
    def _names_are_used_once(self) -> Self:
        names = [table.publication for hop in self.publishing for table in hop.tables]
        names += [name for hop in self.publishing for name in (hop.subscription, hop.slot)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"names are used twice: {', '.join(twice)}")
        if len(set(self.endpoints)) != len(self.endpoints):
            raise ValueError("two hops have the same target: one subscriber needs one export")
        return self

    @property
    def ways(self) -> tuple[Intake | Export, ...]:
        """All that data takes, whoever carries it: the intake and each export that is not removed."""
        return (self.intake, *self.active_exports)

    @property
    def hops(self) -> tuple[Intake | Export, ...]:
        """What replication carries: the intake, unless it is fed, and each export not removed or pushed."""
        pushed = self.pushes
        return tuple(hop for hop in self.publishing if hop not in pushed)

    @property
    def publishing(self) -> tuple[Intake | Export, ...]:
        """What a publication lets out, whoever carries it."""
        return self.active_exports if self.intake.is_fed else self.ways

    @property
    def pushes(self) -> tuple[Export, ...]:
        """What `ponte push` carries."""
        return tuple(export for export in self.active_exports if export.is_pushed)

    @property
    def active_exports(self) -> tuple[Export, ...]:
        """Those that are not removed."""
        return tuple(export for export in self.exports if not export.removed)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The PostgreSQL databases' names in the order in which data passes them."""
        return (*self._near, *(export.target for export in self.exports))

    @property
    def watched(self) -> tuple[str, ...]:
        """The endpoints whose road is to be open."""
        return (*self._near, *(export.target for export in self.active_exports))

    @property
    def carriers(self) -> tuple[tuple[str, str], ...]:
        """The endpoint and role of each that carries a hop."""
        exports = [(export.source, export.role) for export in self.active_exports]
        return ((self.intake.role_on, self.intake.role), *exports)

    @property
    def _near(self) -> tuple[str, ...]:
        intake = self.intake
        return (intake.target,) if intake.is_fed else (intake.source, intake.target)


def find_declaration(given: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the shop's file: the one given, else PONTE_DECLARATION's. Raise SettingsError without any."""
    if given is not None:
        return given
    if environ.get(VARIABLE):
        return Path(environ[VARIABLE])
    raise SettingsError(
        "no declaration is given: what may leave stands in a file of the shop's",
        f"{HOW_TO_GIVE}; 'ponte declaration --starting > sgp.toml' writes one to begin with",
    )


def read_declaration(path: Path) -> Declaration:
    """Read and check the file. Raise DeclarationError with the first fault's place and meaning."""
    return parse_declaration(read_text(path), origin=path.name)


def read_text(path: Path) -> str:
    """Return the file as it stands. Raise DeclarationError if it can't be read."""
    try:
        return path.read_text(encoding="utf-8-sig")  # Notepad puts a mark in front
    except UnicodeDecodeError as error:
        raise DeclarationError(f"{path} is not UTF-8", "save it as UTF-8") from error
    except OSError as error:
        raise DeclarationError(f"{path} can't be read: {word(error)}", HOW_TO_GIVE) from error


def parse_declaration(text: str, *, origin: str) -> Declaration:
    """Turn the text into a Declaration. Raise DeclarationError naming `origin`."""
    try:
        return Declaration.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise DeclarationError(f"{origin} is not TOML: {error}", "mend the line that it names") from error
    except ValidationError as error:
        raise explain_fault(error, text, origin, model=Declaration) from error


def make_schema() -> dict[str, object]:
    """Return the declaration's JSON Schema, for editors."""
    schema = Declaration.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}

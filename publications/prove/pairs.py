"""What is compared with what: each table of a hop, by the columns and rows that are declared. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from db.tables import CLEANED_COLUMNS
from publications.decide.filters import Filters, find_where
from publications.decide.grants import SEALED, VERSION
from publications.decide.hops import key_of
from publications.declare.declaration import Declaration, Export, Intake, PublishedTable
from publications.declare.names import HEARTBEAT, TableName


@dataclass(frozen=True)
class TablePair:
    """One table at both ends of a hop."""

    source: str
    target: str
    subscription: str
    """Empty where it is pushed."""
    slot: str
    table: TableName
    key: str
    columns: tuple[str, ...]
    """Those that are sent, the key first."""
    where: str | None = None
    """Which of the source's rows are sent."""
    cleaned: frozenset[str] = frozenset()
    """Columns of which the target keeps a clean form, and of the text that was sent a few digits."""

    @property
    def versioned(self) -> bool:
        """Each row carries a number that grows with each change, as all do on their way to a subscriber."""
        return VERSION in self.columns

    @property
    def hop(self) -> str:
        """Return such as `vitrine->vps`."""
        return f"{self.source}->{self.target}"


@dataclass(frozen=True)
class Shown:
    """A landing table and the window's table that shows it, both on the window's server."""

    endpoint: str
    landing: TableName
    table: TableName
    key: str = "id"

    @property
    def hop(self) -> str:
        """Return such as `public.pedidos->vitrine`."""
        return f"{self.landing}->{self.endpoint}"


SHOWN = {
    TableName("public", "pedidos"): TableName("vitrine", "pedidos"),
    TableName("public", "pedido_imagens"): TableName("vitrine", "imagens"),
    TableName("public", "user"): TableName("vitrine", "usuarios"),
}
"""As `projection.window_of` has it; the heartbeat tells of itself."""


def derive_pairs(declaration: Declaration, filters: Filters) -> list[TablePair]:
    """Return every table that travels, but the heartbeats, which never stand still."""
    return [pair for hop in declaration.publishing for pair in _pair_hop(hop, filters)]


def derive_compared(declaration: Declaration, hop: Intake | Export) -> list[TablePair | Shown]:
    """Return all that is compared because of one hop."""
    if not isinstance(hop, Intake):
        return list(_pair_hop(hop, {}))
    # What is fed has no second end that could be asked: the feeder compares it with the file all the time.
    pairs = [] if hop.is_fed else _pair_hop(hop, {})
    return [*pairs, *derive_shown(declaration)]


def derive_watched(declaration: Declaration, hop: Intake | Export) -> list[TablePair | Shown]:
    """Return the same, of what is sealed only keys and versions."""
    return [
        replace(one, columns=(one.key, VERSION))
        if isinstance(one, TablePair) and one.table.name in SEALED
        else one
        for one in derive_compared(declaration, hop)
    ]


def derive_shown(declaration: Declaration) -> list[Shown]:
    """Return every landing table that the window shows."""
    intake = declaration.intake
    landed = [table.name for table in intake.tables]
    return [Shown(intake.target, name, SHOWN[name]) for name in landed if name in SHOWN]


def derive_beat(hop: Intake | Export) -> TablePair:
    """Return a hop's heartbeat, which is moved with the rest where a hop begins anew."""
    return next(_pair(hop, table, {}) for table in hop.tables if table.name.name == HEARTBEAT.name)


def _pair_hop(hop: Intake | Export, filters: Filters) -> Iterable[TablePair]:
    return (_pair(hop, table, filters) for table in hop.tables if table.name.name != HEARTBEAT.name)


def _pair(hop: Intake | Export, table: PublishedTable, filters: Filters) -> TablePair:
    key = key_of(table.name)
    columns = (key, *(column for column in table.columns if column != key))
    subscription = hop.subscription if hop.kept_by == hop.slot else ""
    where = find_where(table, filters)
    cleaned = CLEANED_COLUMNS.get(str(table.name), frozenset()) if isinstance(hop, Intake) else frozenset()
    return TablePair(
        hop.source, hop.target, subscription, hop.kept_by, table.name, key, columns, where, cleaned
    )

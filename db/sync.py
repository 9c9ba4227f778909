"""The push's wire, one schema for both ends: what the sender posts and what the ingest on the VPS takes.

A newer sender may say more at the top of a batch, and name columns or tables that an older receiver lacks:
these are ignored, and the answer counts them. Values are text as PostgreSQL prints it (`DateStyle` ISO,
`bytea_output` hex), so both ends read them by PostgreSQL's own types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

CHANGES_PATH = "/internal/sync/changes"
POSITION_PATH = "/internal/sync/position"
TABLE_PATH = "/internal/sync/"
"""Followed by a window table's name: a list of its rows."""
API_KEY_FIELD = "x-api-key"
VERSION: Literal[1] = 1
"""Raised only by what an older receiver can't read; whatever is merely new is ignored there."""

MAX_SENT_BYTES = 4 * 2**20
"""The largest body, as it is sent."""
MAX_BODY_BYTES = 16 * 2**20
"""The largest body, unpacked. A sender parts what is larger, and had better stay far below."""
ENCODINGS = ("identity", "gzip", "zstd")
"""What `content-encoding` may say."""


def _refuse_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("PostgreSQL holds no NUL in a text")
    return text


Printed = Annotated[str, AfterValidator(_refuse_nul)]
"""A value as PostgreSQL prints it."""
Name = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]
"""A column's or a window table's, without its schema."""
Lsn = Annotated[str, Field(pattern=r"^[0-9A-F]{1,8}/[0-9A-F]{1,8}$")]
Source = Annotated[str, Field(pattern=r"^[!-~]{1,128}$")]
Row = Mapping[Name, Printed | None]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True, hide_input_in_errors=True)


class Upsert(_Model):
    """A row as it is now; columns that are not named stay as they are, or take their defaults."""

    kind: Literal["upsert"] = "upsert"
    table: Name
    row: Row


class Delete(_Model):
    """A row that is gone."""

    kind: Literal["delete"] = "delete"
    table: Name
    key: Printed


class Truncate(_Model):
    """All rows of a table are gone."""

    kind: Literal["truncate"] = "truncate"
    table: Name


Change = Annotated[Upsert | Delete | Truncate, Field(discriminator="kind")]


class Batch(_Model):
    """Whole transactions in the order of their commits, or one part of a large one."""

    version: Annotated[Literal[1], Field(alias="schema")] = VERSION
    source: Source
    """The vitrine's system identifier, a slash, the slot's incarnation: positions are compared within one."""
    position: Lsn
    """The commit of the last transaction in it; the same in all parts of one."""
    after: Lsn | None = None
    """What the sender takes for the receiver's position: where it is another, 409 and nothing is applied."""
    part: Annotated[int, Field(ge=0)] = 0
    last: bool = True
    """Parts are kept aside and appear at once with the last; part 0 begins anew."""
    changes: Sequence[Change]

    def to_json(self) -> bytes:
        """Return the body."""
        return self.model_dump_json(by_alias=True).encode()


class Counts(_Model):
    """What became of one table's changes."""

    written: int = 0
    dropped: int = 0
    """Older than what was there, or than what was deleted."""
    deleted: int = 0


class Applied(_Model):
    """The answer to what was taken."""

    applied: Mapping[str, Counts] = {}
    position: Lsn | None = None
    """How far the receiver has that source now."""
    ignored: Mapping[str, int] = {}
    """How often a table, or a column as `table.column`, was named that this receiver lacks."""
    staged: bool = False
    """A part that waits for its last."""


class Position(_Model):
    """How far the receiver has what source."""

    source: Source | None = None
    position: Lsn | None = None
    versao: int | None = None
    """The newest version that it was told by that source; an older receiver does not say."""


def _strip_nul(text: str) -> str:
    return text.replace("\0", "")


def _read_as_utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


Said = Annotated[str, AfterValidator(_strip_nul)]


class SgpPedido(_Model):
    """An order as SGP itself sends it: a few fields, no version, in any order of arrival."""

    pedido_id: Annotated[int, Field(ge=-(2**31), lt=2**31)]
    numero: Said | None = None
    cliente_nome: Said | None = None
    status: Said | None = None
    valor_total: float | None = None
    """0.0 also where SGP could not read its own text."""
    updated_at: Annotated[datetime, AfterValidator(_read_as_utc)] | None = None
    deleted: bool = False


FullRow = Annotated[Mapping[str, Any], Field(min_length=1)]
"""A window table's row, its values as JSON has them or as PostgreSQL prints them."""

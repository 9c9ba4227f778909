"""The vitrine cluster as SQLAlchemy sees it: the window, the projection's own tables and the worker's.

The landing tables are not here: `ponte apply` makes them from the declaration, with SGP's own types.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, OID

from db.window import define_gaps, define_quarantine, define_window

SCHEMA = "projection"
WATCH_SCHEMA = "watch"
PUSH_SCHEMA = "push"
ERRORS_SCHEMA = WATCH_SCHEMA
ROUTINE_SCHEMAS = ("projection", "worker", "watch", "push")
"""Where our functions are, and nobody else's."""

metadata = MetaData()
window = define_window(metadata, received=False)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("landing", Text, primary_key=True),
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("sqlstate", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("1")),
    Column("first_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("last_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    schema=SCHEMA,
)

gaps = define_gaps(metadata, SCHEMA)
quarantine = define_quarantine(metadata, SCHEMA)

conflicts = Table(
    "conflicts",
    metadata,
    Column("subscription", OID, primary_key=True),
    Column("rows_missing", BigInteger, nullable=False),
    schema=SCHEMA,
)

failures = Table(
    "failures",
    metadata,
    Column("id", SmallInteger, CheckConstraint("id = 1"), primary_key=True, server_default=text("1")),
    Column("counted", BigInteger, nullable=False, server_default=text("0")),
    schema=SCHEMA,
)
"""One row: how many failures of apply the projection has reckoned with."""

batches = Table(
    "batches",
    metadata,
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("landing", OID, nullable=False),
    schema=SCHEMA,
    prefixes=["UNLOGGED"],
)
"""Transactions that have noted rows of a landing table; each row is gone before its transaction ends."""

cleaned = Table(
    "cleaned",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", Uuid, nullable=False),
    schema=SCHEMA,
    prefixes=["UNLOGGED"],
)
"""Which texts of items were cleaned already; without a row each is cleaned once more."""

fingerprints = Table(
    "fingerprints",
    metadata,
    Column("endpoint", Text, primary_key=True),
    Column("applied", Text, nullable=False),
    Column("applied_at", DateTime(timezone=True), nullable=False),
    Column("seen", Text),
    Column("seen_at", DateTime(timezone=True)),
    schema=SCHEMA,
)

unsynced_credentials = Table(
    "unsynced_credentials",
    metadata,
    Column("user_id", Integer, primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    schema=SCHEMA,
)
"""Who can't log in on the VPS, and why; it does not leave the intranet."""

_INSTANT = DateTime(timezone=True)

fed_rows = Table(
    "fed_rows",
    metadata,
    Column("landing", Text, primary_key=True),
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False),
    schema=SCHEMA,
    prefixes=["UNLOGGED"],
)
"""What of SGP's file has landed, written with it; a row that has none, as after a crash, is written anew."""

feed = Table(
    "feed",
    metadata,
    Column("id", SmallInteger, CheckConstraint("id = 1"), primary_key=True, server_default=text("1")),
    Column("looked_at", _INSTANT),
    Column("took_seconds", Double),
    Column("file_identity", Text),
    Column("file_counter", BigInteger),
    Column("schema_version", BigInteger),
    Column("fault", Text),
    Column("hint", Text),
    Column("fault_at", _INSTANT),
    schema=SCHEMA,
)
"""One row: how the feeder fares."""

unread_values = Table(
    "unread_values",
    metadata,
    Column("landing", Text, primary_key=True),
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("columns", ARRAY(Text), nullable=False),
    Column("seen_at", _INSTANT, nullable=False, server_default=text("now()")),
    schema=SCHEMA,
)
"""Values of SGP's file that are none of their column's type, and so are NULL on landing."""

measurements = Table(
    "measurements",
    metadata,
    Column("subscriber", Text, primary_key=True),
    Column("measured_at", _INSTANT, primary_key=True, server_default=text("clock_timestamp()")),
    Column("state", Text, nullable=False),
    Column("cause", Text),
    Column("as_of", _INSTANT),
    Column("age_seconds", Double),
    Column("sgp_wal_bytes", BigInteger),
    Column("sgp_retained_bytes", BigInteger),
    Column("vitrine_wal_bytes", BigInteger),
    Column("vitrine_retained_bytes", BigInteger),
    schema=WATCH_SCHEMA,
)
"""What the watch measured, for a day."""

measurements_hourly = Table(
    "measurements_hourly",
    metadata,
    Column("subscriber", Text, primary_key=True),
    Column("hour", _INSTANT, primary_key=True),
    *(Column(name, Integer, nullable=False) for name in ("samples", "fresh", "lagging", "silent")),
    Column("max_age_seconds", Double),
    Column("max_retained_bytes", BigInteger),
    schema=WATCH_SCHEMA,
)
"""The same, an hour a row, for a year."""

proofs = Table(
    "proofs",
    metadata,
    Column("target", Text, primary_key=True),
    Column("compared", Text, primary_key=True),
    Column("differing", BigInteger, nullable=False),
    Column("seen_at", _INSTANT),
    Column("begun_at", _INSTANT, nullable=False),
    schema=WATCH_SCHEMA,
)
"""When each table on the way to a target was last compared to its end, and how many rows differed."""

photos = Table(
    "photos",
    metadata,
    Column("imagem_id", Integer, primary_key=True, autoincrement=False),
    Column("next_at", DateTime(timezone=True)),
    Column("claimed_by", Text),
    Column("claimed_until", DateTime(timezone=True)),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("seen", Text),
    Column("queued_at", DateTime(timezone=True)),
    Column("strikes", Integer, nullable=False, server_default=text("0")),
    Index("photos_due", text("imagem_id DESC"), postgresql_where=text("next_at IS NOT NULL")),
    schema="worker",
)

held_up = Table(
    "held_up",
    metadata,
    Column("id", SmallInteger, CheckConstraint("id = 1"), primary_key=True, server_default=text("1")),
    Column("cause", Text, nullable=False),
    Column("since", _INSTANT, nullable=False, server_default=text("clock_timestamp()")),
    schema="worker",
)
"""One row, or none: since when no photo was made because of what stood in the way, and what that was."""

leftovers = Table(
    "leftovers",
    metadata,
    Column("chave", Text, primary_key=True),
    Column("found_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    schema="worker",
)

ways = Table(
    "ways",
    metadata,
    Column("subscriber", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("slot", Text, nullable=False),
    Column("publications", ARRAY(Text), nullable=False),
    Column("incarnation", Text),
    Column("advanced", Text),
    Column("arrived", Text),
    Column("arrived_at", _INSTANT),
    Column("beat", BigInteger),
    Column("beat_at", _INSTANT),
    Column("beat_arrived_at", _INSTANT),
    Column("copied_rows", BigInteger),
    Column("rows_to_copy", BigInteger),
    Column("cause", Text),
    Column("fault", Text),
    Column("hint", Text),
    Column("fault_at", _INSTANT),
    schema=PUSH_SCHEMA,
)
"""Each subscriber that is pushed to: what may be sent, what arrived, and how that fares."""

"""The VPS's database as SQLAlchemy sees it: the window, with what the guard adds."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType

from db.window import define_gaps, define_quarantine, define_window

SCHEMA = "guard"
ERRORS_SCHEMA = SCHEMA
ROUTINE_SCHEMAS = ("guard", "auth", "push")
"""Where our functions are, and nobody else's."""

metadata = MetaData()
window = define_window(metadata, received=True)


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction number."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Return the type's name."""
        return "xid8"


class PgLsn(UserDefinedType[str]):
    """A place in a server's log."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Return the type's name."""
        return "pg_lsn"


ischema_names |= {"xid8": Xid8, "pg_lsn": PgLsn}  # else reading the catalog back warns

mudancas = Table(
    "mudancas",
    metadata,
    Column("xid", Xid8, nullable=False, server_default=text("pg_current_xact_id()")),
    Column("tabela", Text, nullable=False),
    Column("chave", BigInteger),
    Column("em", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Index("mudancas_xid", "xid"),
    schema=SCHEMA,
)
"""What changed, a row a change; several rows of one transaction may be equal."""

epoca = Table(
    "epoca",
    metadata,
    Column("id", SmallInteger, CheckConstraint("id = 1"), primary_key=True, server_default=text("1")),
    Column("epoca", Uuid, nullable=False, server_default=text("gen_random_uuid()")),
    Column("horizonte", Xid8, nullable=False, server_default=text("pg_current_xact_id()")),
    schema=SCHEMA,
)

gaps = define_gaps(metadata, SCHEMA)
quarantine = define_quarantine(metadata, SCHEMA)

AUTH = "auth"
"""What the VPS knows by itself, and what no replication brings or overwrites."""

attempts = Table(
    "attempts",
    metadata,
    Column("subject", LargeBinary, primary_key=True),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("last_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Column("blocked_until", DateTime(timezone=True)),
    Index("attempts_last_at", "last_at"),
    schema=AUTH,
)
"""Failed logins by account, by address and by both, and of who is known, all as keyed digests."""

known = Table(
    "known",
    metadata,
    Column("subject", LargeBinary, primary_key=True),
    Column("last_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    schema=AUTH,
)
"""From which addresses a name has come in, as digests of the digests of both."""

revoked = Table(
    "revoked",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    schema=AUTH,
)
"""Sessions that ended on the VPS before their time, by the SHA-256 of their tokens."""

offline_bound = Table(
    "offline_bound",
    metadata,
    Column("id", SmallInteger, CheckConstraint("id = 1"), primary_key=True, server_default=text("1")),
    Column("seconds", Double, CheckConstraint("seconds > 0 AND seconds < 'infinity'"), nullable=False),
    schema=AUTH,
)
"""One row: for how long the API here lets people log in without word from the intranet."""

key_marks = Table(
    "key_marks",
    metadata,
    Column("id", SmallInteger, CheckConstraint("id = 1"), primary_key=True, server_default=text("1")),
    Column(
        "marks", ARRAY(LargeBinary), CheckConstraint("cardinality(marks) BETWEEN 1 AND 2"), nullable=False
    ),
    schema=AUTH,
)
"""One row: the marks of the keys that the API here opens passwords with."""

PUSH = "push"
"""What the signed push needs; nobody but its functions reads or writes there."""

tombstones = Table(
    "tombstones",
    metadata,
    Column("table_name", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("versao", BigInteger, nullable=False),
    Column("pushed", BigInteger),
    Column("said_at", DateTime(timezone=True)),
    Column("buried_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Index("tombstones_buried_at", "buried_at"),
    schema=SCHEMA,
)
"""Rows that were deleted, up to which version, and by SGP's clock where SGP said so."""

turns = Table("turns", metadata, Column("table_name", Text, primary_key=True), schema=SCHEMA)
"""A row for each table of the window: who inserts into the table holds its row until the transaction ends."""

positions = Table(
    "positions",
    metadata,
    Column("source", Text, primary_key=True),
    Column("position", PgLsn),
    Column("versao", BigInteger),
    Column("began_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    schema=PUSH,
)
"""How far each source has come, and the newest version that it brought."""

parts = Table(
    "parts",
    metadata,
    Column("source", Text, primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("position", PgLsn, nullable=False),
    Column("batch", JSONB, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    schema=PUSH,
)
"""Parts of a batch that wait for its last."""

nonces = Table(
    "nonces",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("used_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Index("nonces_used_at", "used_at"),
    schema=PUSH,
)
"""Requests' ids that were used, with what they came with."""

ahead = Table(
    "ahead",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("said_at", DateTime(timezone=True), nullable=False),
    Column("before", JSONB),
    Index("ahead_said_at", "said_at"),
    schema=PUSH,
)
"""Orders of which SGP itself told what the mirror has not brought yet, and what the mirror had."""

_pedidos = window["pedidos"].c
NEWEST_FIRST = (_pedidos.data_criacao.desc().nulls_last(), _pedidos.id.desc())
SEARCHED_LETTERS = 500
"""Of a name: `guard.search_text` has so many."""
SEARCHED = func.guard.search_text(
    _pedidos.numero, _pedidos.cliente, _pedidos.cidade_cliente, _pedidos.observacao, type_=Text
)
FOLDED_CLIENTE = func.guard.fold(func.left(_pedidos.cliente, SEARCHED_LETTERS), type_=Text)

Index("pedidos_newest", *NEWEST_FIRST)
Index("pedidos_status", _pedidos.status, *NEWEST_FIRST)
Index("imagens_pedido", window["imagens"].c.pedido_id)
Index("usuarios_username", window["usuarios"].c.username)
# Where pg_trgm is not to be had it is missing, and searches read the whole table.
Index(
    "pedidos_search",
    SEARCHED.label("search_text"),
    postgresql_using="gin",
    postgresql_ops={"search_text": "guard.gin_trgm_ops"},
)

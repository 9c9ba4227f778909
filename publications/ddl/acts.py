"""What a step is made of: `ponte plan --sql` prints these acts and apply carries out the same. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import assert_never

from psycopg import sql

from db.shown import CONTROL
from publications.ddl.statement import Statement, UnsafeSqlError, compose, name_of
from publications.declare.names import TableName


@dataclass(frozen=True)
class SetPassword:
    """Give a role its password, which no text holds."""

    role: str


@dataclass(frozen=True)
class CarryRows:
    """Bring what a query reads on another endpoint into a table here."""

    source: str
    query: Statement
    into: str
    file: str
    """Through which they go by hand."""


Part = Statement | SetPassword | CarryRows


@dataclass(frozen=True)
class Together:
    """Do all of it in one transaction: half of it would never be found again."""

    parts: tuple[Part, ...]
    what: str = ""
    """How it is called where its first statement does not say it."""

    @property
    def sources(self) -> list[str]:
        """The other endpoints that it reads."""
        return [part.source for part in self.parts if isinstance(part, CarryRows)]


@dataclass(frozen=True)
class AwaitCopies:
    """Wait until every table is copied to an endpoint, or all of one subscription there."""

    endpoint: str
    subscription: str | None = None


@dataclass(frozen=True)
class AwaitArrival:
    """Wait until a slot's subscriber has all that was written so far: it may still bring what is to go."""

    source: str
    slot: str
    table: TableName


Act = Statement | Together | AwaitCopies | AwaitArrival


def name_act(act: Statement | Together) -> str:
    """Return what tells somebody which one it is."""
    if isinstance(act, Together):
        return act.what or print_act(act.parts[0], at="")[0]
    return act.as_string()


def print_act(act: Act | Part, *, at: str) -> list[str]:  # noqa: PLR0911  # one short arm per kind
    """Return the lines with which psql does the same on the endpoint `at`; `\\` begins one of its own."""
    match act:
        case sql.Composed():
            return [act.as_string()]
        case SetPassword(role=role):
            return [f"\\password {_name_for_psql(role)}"]
        case CarryRows():
            return _print_carrying(act)
        case Together(parts=parts):
            return ["BEGIN", *(line for part in parts for line in print_act(part, at=at)), "COMMIT"]
        case AwaitCopies(endpoint=endpoint, subscription=subscription):
            of = sql.SQL("") if subscription is None else compose("s.subname = {} AND ", subscription)
            if endpoint == at:
                return [compose(_WAIT_FOR_COPIES, of).as_string()]
            return _ask_on(endpoint, compose(_ARE_COPIED, of))
        case AwaitArrival(source=source, slot=slot):
            return _ask_on(source, compose(_HAS_ARRIVED, slot))
        case _:
            assert_never(act)


_HAS_ARRIVED = (
    "SELECT confirmed_flush_lsn >= pg_current_wal_lsn() FROM pg_replication_slots WHERE slot_name = {}"
)
_COPYING = (
    "EXISTS (SELECT FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid"
    " WHERE {}r.srsubstate <> 'r'"
    " AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)
_ARE_COPIED = f"SELECT NOT {_COPYING}"
_WAIT_FOR_COPIES = f"""DO $wait$ BEGIN
  RAISE NOTICE 'waiting until all tables are copied';
  WHILE {_COPYING} LOOP
    PERFORM pg_sleep(0.1);
  END LOOP;
END $wait$"""


def _print_carrying(act: CarryRows) -> list[str]:
    read = compose("\\copy ({}) TO {}", act.query, act.file)
    write = compose("\\copy {} FROM {}", name_of(act.into), act.file)
    return [
        _say(f"now on {act.source}: {read.as_string()}"),
        "\\prompt 'Enter when it is done ' done",
        write.as_string(),
    ]


def _ask_on(endpoint: str, question: Statement) -> list[str]:
    return [
        _say(f"ask on {endpoint} until it says t: {question.as_string()}"),
        "\\prompt 'Enter when it does ' done",
    ]


def _name_for_psql(name: str) -> str:
    """Quote a name as psql reads it: between double quotes it runs nothing and puts nothing in."""
    if CONTROL.search(name):
        raise UnsafeSqlError(
            f"the name of role {name} holds what psql can't be told", "give that role another name"
        )
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


_PLAIN = re.compile("[a-z_][a-z0-9_]*")


def _say(text: str) -> str:
    """Quote it for psql, which would else drop its quotes, and run what follows a backslash."""
    quoted = text.replace("\\", "\\\\").replace("'", "''")
    return f"\\echo '{quoted}'"

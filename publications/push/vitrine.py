"""The vitrine's side of a push: its slot, read and let go by functions, and the rows of what is published."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString, cast

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow
from psycopg.types.string import TextLoader

from db.engines import Connection, connect
from db.errors import PonteError
from db.published import read_applied
from db.sqlfile import read_blocks
from db.sync import Position
from db.waiting import wait_until
from publications.declare.names import TableName
from publications.push.changes import Texts, parse_lsn
from publications.push.pgoutput import Commit, Decoder, Event, Relation
from publications.push.published import Published
from publications.push.receiver import PushError, PushFault

APPLICATION = "ponte-push"
PEEK_CHANGES = 2000
"""After so many the slot is asked no further; a transaction is not divided."""
FETCH_ROWS = 500
WRITERS_S = 30.0
"""How long a first copy waits for those who were writing when it began."""
_SQL = read_blocks("publications", "push")
# Text is printed here as the slot prints it; what the note of an arrival loses by a crash is sent again.
_SESSION: LiteralString = (
    "SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 3;"
    " SET bytea_output = 'hex'; SET synchronous_commit = off"
)


class BusyWindowError(PonteError):
    """Another push is at work, or somebody writes without an end."""


@dataclass(frozen=True)
class Standing:
    """Where the way stands, as the vitrine knows."""

    source: str | None
    """None before the first copy."""
    arrived: str | None
    """The last transaction that is known to have arrived; None while a first copy is under way."""
    is_new: bool
    """The slot is another one than that which was followed."""
    publications: tuple[str, ...]


class Vitrine:
    """Two sessions, one to read and one to watch over that. Only one push to a subscriber has them."""

    def __init__(self, dsn: str, subscriber: str, *, endpoint: str) -> None:
        """endpoint: the vitrine's name in the declaration.

        Raise BusyWindowError, PushError, psycopg.Error.
        """
        self._subscriber, self._endpoint = subscriber, endpoint
        self.seen_end = 0
        """Where the last transaction ended that the last look has met; 0 where it met none."""
        self.seen_all = True
        """The last look came to its end."""
        self._conn: Connection = connect(dsn, application=APPLICATION)
        self._aside = self._conn
        try:
            self._aside = connect(dsn, application=APPLICATION)
            self._conn.execute(_SESSION)
            self._aside.execute(_SESSION)
            if self._conn.execute(_SQL["hold"], [subscriber]).fetchone() != (True,):
                raise BusyWindowError(
                    f"another push to {subscriber} is at work",
                    "stop it; one that was killed lets go within a minute",
                )
            self.look()
            self.tables = self._read_tables()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go."""
        self._conn.close()
        self._aside.close()

    def look(self) -> Standing:
        """See where the way stands. Raise PushError for a slot that is gone or lost."""
        row = self._aside.execute(_SQL["look"], [self._subscriber]).fetchone()
        row = row or (None,) * 6
        source, arrived, slot, is_lost, is_new, publications = row
        if slot is None or is_lost:
            what = "is lost: its WAL was thrown away" if slot else "is not there"
            raise PushError(
                PushFault.STOPPED,
                f"the vitrine's slot for {self._subscriber} {what}",
                "run 'ponte apply': it makes the slot anew, and everything is sent again",
            )
        self.standing = Standing(source, arrived, bool(is_new), tuple(publications or ()))
        return self.standing

    def _read_tables(self) -> dict[str, Published]:
        rows = self._aside.execute(_SQL["tables"], [list(self.standing.publications)])
        found = {}
        for schema, name, columns, where in rows:
            found[name] = Published(TableName(schema, name), tuple(columns), where)
        return found

    def wait(self, past: str, *, pause_s: float, longest_s: float) -> str:
        """Return up to where everything is written, as soon as that is behind a place, or after so long."""
        return self._value("wait", past, pause_s, longest_s)

    def is_behind(self, there: Position) -> bool:
        """Tell whether somebody has more of it than there is: then a backup was put back."""
        if there.position is not None and parse_lsn(there.position) > parse_lsn(self._value("written")):
            return True
        return there.versao is not None and there.versao > int(self._value("given_versao", self._subscriber))

    def check_published(self) -> None:
        """Raise PushError unless what is published is what was applied."""
        applied, source, published = read_applied(self._aside, self._subscriber, self._endpoint)
        if source != self.standing.source:
            raise PushError(
                PushFault.CHANGED,
                "'ponte apply' wants everything to be sent again",
                "it is: 'ponte status' says how far that has come",
            )
        if applied != published:
            raise PushError(
                PushFault.CHANGED,
                "what the vitrine publishes is not what was applied, so nothing goes out",
                "run 'ponte plan' to see what was changed, then 'ponte apply'",
            )

    @contextmanager
    def peek(self, upto: str, *, after: int = 0) -> Iterator[Iterator[Event]]:
        """Have what is committed up to there and not let go, for the length of a block.

        after: of what was committed up to there only the beginnings and ends.
        """
        self.seen_end = 0
        given = {"subscriber": self._subscriber, "upto": upto, "changes": PEEK_CHANGES}
        with self._conn.cursor() as cursor:
            rows = cursor.stream(_SQL["peek"], given, binary=True, size=FETCH_ROWS)
            with contextlib.closing(cast("Generator[TupleRow]", rows)):  # else the session stays busy with it
                yield self._decode(rows, after)

    def _decode(self, messages: Iterable[TupleRow], after: int) -> Iterator[Event]:
        decoder, n_messages = Decoder(after=after), 0
        for (message,) in messages:
            n_messages += 1
            event = decoder.decode(message)
            if event is not None:
                yield event
            if isinstance(event, Commit):
                self.seen_end = event.end_lsn
        self.seen_all = n_messages < PEEK_CHANGES

    def find_row(self, relation: Relation, key: str) -> Texts | None:
        """Return a row as it is now; None if it is gone or does not leave any more."""
        published = self.tables.get(relation.name)
        if published is None:
            return None
        with self._aside.cursor() as cursor:
            _take_text(cursor)
            row = cursor.execute(published.select(key=True), [key]).fetchone()
        return dict(zip(published.columns, row, strict=True)) if row else None

    def advance(self, upto: str, *, arrived: str | None) -> None:
        """Let the slot go up to there. arrived: the last transaction that did, if one has."""
        given = {"subscriber": self._subscriber, "upto": upto, "arrived": arrived}
        self._aside.execute(_SQL["advance"], given)

    def begin(self) -> str:
        """Begin anew, and return from where the slot follows. Raise BusyWindowError."""
        upto: str = self._value("begin", self._subscriber)
        writing = self._read_writers()
        if not wait_until(lambda: not writing & self._read_writers(), WRITERS_S):
            raise BusyWindowError(
                f"somebody has written in the vitrine for more than {WRITERS_S:.0f} s without an end, and a"
                " first copy must wait for that",
                "find the transaction in pg_stat_activity (backend_xid is not null, the oldest xact_start)"
                " and end it",
            )
        self.look()
        return upto

    def _read_writers(self) -> set[str]:
        """One who has committed counts until everybody sees it."""
        return {row[0] for row in self._aside.execute(_SQL["writers"])}

    @contextmanager
    def copy(self) -> Iterator[tuple[int, Iterator[tuple[Published, Texts]]]]:
        """Have the number of all published rows, and these, as of one moment, for the length of a block."""
        with self._conn.transaction():
            self._conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            total = sum(self._count(one) for one in self.tables.values())
            yield total, self._read_rows()

    def _count(self, one: Published) -> int:
        query = sql.SQL("SELECT count(*) FROM ({}) AS published").format(one.select())
        row = self._conn.execute(query).fetchone()
        return int(row[0]) if row else 0

    def _read_rows(self) -> Iterator[tuple[Published, Texts]]:
        for one in self.tables.values():
            with self._conn.cursor("copy") as cursor:
                _take_text(cursor)
                cursor.itersize = FETCH_ROWS
                for row in cursor.execute(one.select()):
                    yield one, dict(zip(one.columns, row, strict=True))

    def tell_fault(self, kind: PushFault | None, fact: str | None = None, hint: str | None = None) -> None:
        """Leave word for whoever watches why nothing goes out; None: it does."""
        self._aside.execute(_SQL["tell_fault"], [self._subscriber, kind, fact, hint])

    def tell_copy(self, done: int | None, total: int | None) -> None:
        """Leave word how far a first copy has come; None: there is none."""
        self._aside.execute(_SQL["tell_copy"], [self._subscriber, done, total])

    def tell_beat(self, beat: str | None, beat_at: str | None) -> None:
        """Leave word which beat has arrived."""
        self._aside.execute(_SQL["tell_beat"], [self._subscriber, beat, beat_at])

    def _value(self, block: str, *given: object) -> str:
        row = self._aside.execute(_SQL[block], given or None).fetchone()
        return str(row[0]) if row else "0/0"


def _take_text(cursor: psycopg.Cursor[TupleRow] | psycopg.ServerCursor[TupleRow]) -> None:
    """Have every value as the server prints it."""
    for info in cursor.adapters.types:
        for oid in (info.oid, info.array_oid):
            cursor.adapters.register_loader(oid, TextLoader)

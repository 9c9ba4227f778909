"""What pgoutput tells becomes batches: whole transactions, parts, rows whose large value was left alone."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from db.sync import Batch, Change, Delete, Truncate, Upsert
from publications.push import pgoutput
from publications.push.changes import Piece, gather, parse_lsn, print_lsn, translate
from publications.push.pgoutput import Begin, Commit, DecodingError, Event, Relation, Unchanged

pytestmark = pytest.mark.unit

ORDERS = Relation("vitrine", "pedidos", ("id", "cliente", "items"), frozenset({"id"}))


def upsert(key: int, text: str = "") -> pgoutput.Upsert:
    return pgoutput.Upsert(ORDERS, {"id": str(key), "cliente": text, "items": "[]"})


def transaction(commit_lsn: int, *events: Event) -> list[Event]:
    return [Begin(commit_lsn), *events, Commit(commit_lsn, commit_lsn + 5)]


def none(_: Relation, key: str) -> None:
    raise AssertionError(f"row {key} was read again")


def pieces(events: Iterable[Event], *, after: int = 0, limit: int = 10**6) -> list[Piece]:
    return list(gather(events, none, after=after, limit_bytes=limit))


def keys(changes: Iterable[Change]) -> list[str | None]:
    return [one.row["id"] if isinstance(one, Upsert) else getattr(one, "key", "") for one in changes]


def test_small_transactions_go_together_and_the_last_ones_place_counts() -> None:
    [piece] = pieces([*transaction(10, upsert(1)), *transaction(20, upsert(2), upsert(3))])
    assert (keys(piece.changes), piece.commit_lsn, piece.end_lsn) == (["1", "2", "3"], 20, 25)
    assert piece.last


def test_a_transaction_beyond_the_limit_goes_in_parts_and_alone() -> None:
    big = [upsert(key, "x" * 200) for key in range(2, 8)]
    found = pieces(
        [*transaction(10, upsert(1)), *transaction(20, *big), *transaction(30, upsert(9))], limit=600
    )
    assert [(one.commit_lsn, one.part, one.last) for one in found] == [
        (10, 0, True),
        (20, 0, False),
        (20, 1, False),
        (20, 2, True),
        (30, 0, True),
    ]
    assert [key for one in found for key in keys(one.changes)] == ["1", "2", "3", "4", "5", "6", "7", "9"]


def test_a_transaction_that_ends_with_a_part_has_a_last_one_all_the_same() -> None:
    found = pieces(transaction(20, *(upsert(key, "x" * 200) for key in range(6))), limit=600)
    told = [(one.part, one.last, len(one.changes)) for one in found]
    assert told == [(0, False, 3), (1, False, 3), (2, True, 0)]


def test_what_has_arrived_is_not_sent_again() -> None:
    [piece] = pieces([*transaction(10, upsert(1)), *transaction(20, upsert(2))], after=10)
    assert keys(piece.changes) == ["2"]
    assert pieces(transaction(10, upsert(1)), after=10) == []


def test_a_row_with_another_key_is_the_end_of_the_old_one() -> None:
    moved = pgoutput.Upsert(ORDERS, {"id": "2", "cliente": "", "items": "[]"}, {"id": "1", "cliente": None})
    [gone, come] = translate(moved, none)
    assert isinstance(gone, Delete)
    assert (gone.key, keys([come])) == ("1", ["2"])


def test_a_value_that_was_left_alone_is_read_with_its_row_or_waits_for_its_end() -> None:
    event = pgoutput.Upsert(ORDERS, {"id": "1", "cliente": "a", "items": Unchanged.VALUE})
    whole = {"id": "1", "cliente": "b", "items": "[1]"}
    assert list(translate(event, lambda *_: whole)) == [Upsert(table="pedidos", row=whole)]
    assert list(translate(event, lambda *_: None)) == []


def test_deletions_and_emptied_tables_are_told() -> None:
    told = [*translate(pgoutput.Delete(ORDERS, {"id": "7", "cliente": None}), none)]
    told += translate(pgoutput.Truncate((ORDERS,)), none)
    assert told == [Delete(table="pedidos", key="7"), Truncate(table="pedidos")]
    with pytest.raises(DecodingError, match="without its key"):
        list(translate(pgoutput.Delete(ORDERS, {"id": None}), none))


def test_what_is_sent_is_what_the_receiver_reads() -> None:
    [piece] = pieces(
        transaction(0x1_0000_0020, upsert(1, 'Zé \u2028 "'), pgoutput.Delete(ORDERS, {"id": "2"}))
    )
    sent = Batch.model_construct(source="1/a", position=print_lsn(piece.commit_lsn), changes=piece.changes)
    read = Batch.model_validate_json(sent.to_json())
    assert read.position == "1/20"
    assert list(read.changes) == piece.changes
    assert parse_lsn(read.position) == piece.commit_lsn

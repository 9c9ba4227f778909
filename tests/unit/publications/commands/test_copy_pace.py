"""A copy's line: what was read, how fast, and how long the rest takes."""

from __future__ import annotations

from publications.act.copying import Copying
from publications.act.waits import progress_of
from publications.commands.copy_pace import CopyPace


def copying(table: str, rows: int, size: int = 0, expected: int = 0) -> Copying:
    return Copying(table, "d", rows, size, expected)


def test_rows_a_second_and_what_is_left() -> None:
    pace = CopyPace(began_s=10)
    assert pace.tell([copying("a", 0, expected=100_000)], 10) == "0 rows, 0.0 MB, 0 rows/s"
    said = pace.tell([copying("a", 20_000, 5_000_000, 100_000)], 15)
    assert said == "20,000 rows, 5.0 MB, 4,000 rows/s, about 20 s left"


def test_a_table_that_is_done_counts_and_one_that_begins_anew_does_not_count_twice() -> None:
    pace = CopyPace(began_s=0)
    pace.tell([copying("a", 1_000), copying("b", 600)], 1)
    said = pace.tell([copying("b", 0, expected=1_600)], 4)
    assert said == "1,600 rows, 0.0 MB, 400 rows/s, about 2 s left"


def test_where_the_source_does_not_know_nothing_is_guessed() -> None:
    assert CopyPace(began_s=0).tell([copying("a", 50)], 1) == "50 rows, 0.0 MB, 50 rows/s"


def test_a_copy_over_a_full_table_is_told_by_its_bytes() -> None:
    """The server counts no row that a trigger made an update of."""
    assert CopyPace(began_s=0).tell([copying("a", 0, 4_000_000, 100_000)], 2) == "4.0 MB, 2.0 MB/s"


def test_bytes_are_progress_where_no_row_counts() -> None:
    before, now = (progress_of([copying("a", 0, size)], 7) for size in (100, 200))
    assert any(later > earlier for earlier, later in zip(before, now, strict=True))

"""Dead letters, beats that are missing and landings are counted as they are."""

from __future__ import annotations

from db.engines import Connection
from tests.integration.db.intranet.test_projection import KEY, ask
from tests.landed import apply_as


def bury(conn: Connection, *keys: int) -> None:
    for place, key in enumerate(keys):
        conn.execute(
            "INSERT INTO projection.dead_letters (landing, key, sqlstate, last_at)"
            " VALUES ('public.pedidos', %s, '23514', now() - make_interval(hours => 9 - %s))",
            [key, place],
        )


def test_dead_letters_are_tried_so_many_at_a_time_the_longest_waiting_first(landing: Connection) -> None:
    bury(landing, 30, 10, 20)
    query = "SELECT array_agg(key ORDER BY key) FROM projection.dead_letters"
    assert ask(landing, "SELECT projection.retry_dead_letters(1)") == 2
    assert ask(landing, query) == [10, 20]
    assert ask(landing, "SELECT projection.retry_dead_letters(1)") == 1
    assert ask(landing, query) == [20]


def test_a_letter_says_which_error_came_last_and_how_often(landing: Connection) -> None:
    landing.execute("SET LOCAL search_path = pg_catalog")  # as the triggers have it
    for state in ("23514", "22001"):
        landing.execute("SELECT projection.bury('public.pedidos'::regclass, %s, %s)", [KEY, state])
    row = landing.execute("SELECT landing, key, sqlstate, attempts FROM projection.dead_letters").fetchall()
    assert row == [("public.pedidos", KEY, "22001", 2)]
    landing.execute("SELECT projection.bury('public.pedido_imagens'::regclass, %s, 'X')", [KEY])
    for landed, key, left in (
        ("public.pedido_imagens", KEY, 1),
        ("public.pedidos", KEY + 1, 1),
        ("public.pedidos", KEY, 0),
    ):
        landing.execute("SELECT projection.project_again(%s, %s)", [landed, key])
        assert ask(landing, "SELECT count(*) FROM projection.dead_letters") == left


def beat(conn: Connection, number: int, at: str = "2026-01-01 10:00+00") -> None:
    conn.execute("UPDATE ponte.heartbeat SET beat = %s, beat_at = %s", [number, at])


def test_a_beat_that_is_missing_is_noted_and_no_other(landing: Connection) -> None:
    apply_as(landing)
    landing.execute("INSERT INTO ponte.heartbeat VALUES (1, 5, '2026-01-01 10:00+00')")
    for number in (6, 6, 4, 5, 6):
        beat(landing, number)
    gaps = "SELECT array_agg(ARRAY[after_beat, beat] ORDER BY id) FROM projection.gaps"
    assert ask(landing, gaps) is None
    beat(landing, 8)
    beat(landing, 9)
    beat(landing, 20)
    assert ask(landing, gaps) == [[6, 8], [9, 20]]


def test_a_copy_of_the_heart_passes_over_any_number_of_beats(landing: Connection) -> None:
    apply_as(landing)
    landing.execute("INSERT INTO ponte.heartbeat VALUES (1, 5, '2026-01-01 10:00+00')")
    landing.execute("INSERT INTO ponte.heartbeat VALUES (1, 50, '2026-01-01 11:00+00')")
    assert ask(landing, "SELECT beat FROM vitrine.heartbeat") == 50
    assert ask(landing, "SELECT count(*) FROM projection.gaps") == 0


def test_landings_count_the_beats_that_came_here_and_nothing_else(landing: Connection) -> None:
    apply_as(landing)
    landing.execute("INSERT INTO ponte.heartbeat VALUES (1, 5, '2026-01-01 10:00+00')")
    for number, at in ((6, "10:01"), (6, "10:01"), (5, "10:00"), (3, "10:02"), (4, "10:03")):
        beat(landing, number, f"2026-01-01 {at}+00")
    row = landing.execute(
        "SELECT beat, landings, to_char(beat_at AT TIME ZONE 'UTC', 'MI') FROM vitrine.heartbeat"
    )
    assert row.fetchall() == [(4, 4, "03")], "a beat that is newer by its clock counts on"
    landing.execute("UPDATE vitrine.heartbeat SET landings = NULL")
    beat(landing, 5, "2026-01-01 10:04+00")
    assert ask(landing, "SELECT landings FROM vitrine.heartbeat") == 1


def test_a_window_that_knows_no_time_of_its_beat_takes_the_next(landing: Connection) -> None:
    landing.execute("INSERT INTO ponte.heartbeat VALUES (1, 5, NULL)")
    beat(landing, 5)
    assert ask(landing, "SELECT beat_at IS NOT NULL FROM vitrine.heartbeat")

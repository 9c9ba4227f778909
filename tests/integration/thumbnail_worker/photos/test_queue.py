"""The photos' queue by itself: turns, leases, strikes, verdicts, and what reconciliation reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from pydantic import SecretStr

from db.engines import Connection
from db.motivo import Motivo
from db.sqlfile import read_blocks
from tests.fix_clusters import Servers
from thumbnail_worker.connection import JobConnection
from thumbnail_worker.photos.queue import LEASE_S, Claim, PhotoQueue
from thumbnail_worker.photos.recipe import Recipe
from thumbnail_worker.photos.render import Rendered

RECIPE = Recipe((640, 1600), "40:89:1536:30")
MADE = Rendered(b"webp!", 640, 480)
RECONCILE = read_blocks("thumbnail_worker", "reconcile")


class Queue:
    """Two workers on one queue, and a session that sees and writes what it likes."""

    def __init__(self, conn: Connection, conninfo: str) -> None:
        self.conn = conn
        self._conninfo = conninfo
        self._open: list[PhotoQueue] = []
        self.one, self.other = self.open("one"), self.open("other")

    def open(self, worker: str, recipe: Recipe = RECIPE) -> PhotoQueue:
        queue = PhotoQueue(JobConnection("vitrine", SecretStr(self._conninfo)), recipe, worker=worker)
        self._open.append(queue)
        return queue

    def close(self) -> None:
        for queue in self._open:
            queue.close()

    def land(self, *ids: int, path: str = "p.jpg") -> None:
        """Have photos arrive: landed, shown and queued."""
        for one in ids:
            self.conn.execute(
                "INSERT INTO public.pedido_imagens (id, pedido_id, path) VALUES (%s, 1, %s)", [one, path]
            )

    def run(self, statement: str, *given: object) -> list[tuple[Any, ...]]:
        cursor = self.conn.execute(statement.encode(), given or None)
        return cursor.fetchall() if cursor.description else []

    def row(self, imagem_id: int, columns: str) -> tuple[Any, ...]:
        [row] = self.run(f"SELECT {columns} FROM worker.photos WHERE imagem_id = %s", imagem_id)  # noqa: S608
        return row

    def verdict(self, imagem_id: int) -> tuple[Any, ...] | None:
        rows = self.run(
            "SELECT estado, motivo, chave, digest, bytes, largura, altura, codificador"
            " FROM vitrine.miniaturas WHERE imagem_id = %s",
            imagem_id,
        )
        return rows[0] if rows else None

    def reconcile(self, name: str, **given: object) -> list[tuple[Any, ...]]:
        cursor = self.conn.execute(RECONCILE[name], given)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def queue(servers: Servers, landing_database: str) -> Iterator[Queue]:
    conninfo = servers.clusters["vitrine"].conninfo(landing_database)
    with servers.connect("vitrine", landing_database) as conn:
        queue = Queue(conn, conninfo)
        yield queue
        queue.close()
        conn.execute(
            "TRUNCATE worker.photos, worker.leftovers, vitrine.miniaturas, vitrine.imagens,"
            " public.pedido_imagens"
        )


def ids(claims: list[Claim]) -> list[int]:
    return [claim.imagem_id for claim in claims]


def test_the_newest_come_first_and_only_when_it_is_their_turn(queue: Queue) -> None:
    queue.land(1, 2, 3, 4)
    queue.run("UPDATE worker.photos SET next_at = now() + interval '1 h' WHERE imagem_id = 4")
    queue.run("UPDATE worker.photos SET next_at = NULL WHERE imagem_id = 2")
    assert ids(queue.one.claim(1)) == [3]
    assert ids(queue.other.claim(9)) == [1]
    assert queue.one.claim(9) == []


def test_a_lease_that_ran_out_is_anothers_and_one_that_is_renewed_is_not(queue: Queue) -> None:
    queue.land(1, 2)
    claims = queue.one.claim(9)
    left = "extract(epoch FROM claimed_until - clock_timestamp())::float"
    assert LEASE_S - 10 < queue.row(1, left)[0] <= LEASE_S
    queue.run("UPDATE worker.photos SET claimed_until = now() - interval '1 s'")
    queue.one.renew(claims[:1])
    assert LEASE_S - 10 < queue.row(2, left)[0] <= LEASE_S
    assert ids(queue.other.claim(9)) == [1]
    queue.one.renew(claims)
    assert queue.row(1, "claimed_by") == ("other",)


def test_a_claim_says_all_that_is_known_of_its_photo(queue: Queue) -> None:
    queue.land(1, path="a/b.jpg")
    turn, attempts, strikes = queue.row(1, "next_at, attempts, strikes")
    assert queue.one.claim(1) == [Claim(1, turn, attempts, strikes, True, "a/b.jpg", None, None)]
    queue.one.release()
    queue.run("DELETE FROM public.pedido_imagens")
    [claim] = queue.other.claim(1)
    assert (claim.landed, claim.path) == (False, None)


def test_putting_off_counts_attempts_and_only_its_own_strikes(queue: Queue) -> None:
    queue.land(1)
    for strike, expected in ((False, (1, 0)), (True, (2, 1)), (False, (3, 1)), (True, (4, 2))):
        queue.run("UPDATE worker.photos SET next_at = now()")
        [claim] = queue.one.claim(1)
        queue.one.postpone(claim, 300, strike=strike)
        assert queue.row(1, "attempts, strikes") == expected
    assert queue.row(1, "claimed_by, claimed_until") == (None, None)
    [[wait_s]] = queue.run("SELECT extract(epoch FROM next_at - clock_timestamp())::float FROM worker.photos")
    assert 240 < wait_s <= 300
    queue.run("UPDATE worker.photos SET next_at = now()")
    [claim] = queue.one.claim(1)
    assert (claim.attempts, claim.strikes) == (4, 2)
    queue.one.settle(claim, seen="1:2")
    assert queue.row(1, "next_at, attempts, strikes, seen, claimed_by, claimed_until") == (
        None, 0, 0, "1:2", None, None,
    )  # fmt: skip


def test_nobody_writes_down_anything_of_anothers_claim(queue: Queue) -> None:
    queue.land(1)
    [claim] = queue.one.claim(1)
    before = queue.row(1, "*")
    queue.other.settle(claim, seen="x")
    queue.other.postpone(claim, 5, strike=True)
    queue.other.renew([claim])
    queue.other.release()
    assert queue.row(1, "*") == before
    assert not queue.other.announce(claim, MADE, chave="k", digest="d")
    assert not queue.other.condemn(claim, Motivo.VAZIO, digest=None)
    assert queue.verdict(1) is None
    queue.one.release()
    assert queue.row(1, "claimed_by, claimed_until") == (None, None)


def test_a_turn_that_came_again_meanwhile_stays(queue: Queue) -> None:
    queue.land(1)
    [claim] = queue.one.claim(1)
    assert queue.one.put([1]) == 1
    again = queue.row(1, "next_at")[0]
    queue.one.settle(claim, seen=None)
    assert queue.row(1, "next_at, claimed_by") == (again, None)
    assert again > claim.turn


def announce(queue: Queue, imagem_id: int = 1, **changes: Any) -> None:
    [claim] = queue.one.claim(1)
    assert claim.imagem_id == imagem_id
    given = {"chave": "1/aa-w1-640.webp", "digest": "aa"} | changes
    assert queue.one.announce(claim, MADE, **given)
    queue.one.settle(claim, seen="1:2")


def test_what_is_announced_tells_all_of_it(queue: Queue) -> None:
    queue.land(1)
    announce(queue)
    assert queue.verdict(1) == ("pronta", None, "1/aa-w1-640.webp", "aa", 5, 640, 480, RECIPE.codificador)


def test_a_verdict_that_is_the_same_writes_nothing_and_any_other_does(queue: Queue) -> None:
    queue.land(1)
    announce(queue)

    def written(**changes: Any) -> bool:
        before = queue.run("SELECT versao FROM vitrine.miniaturas")
        queue.one.put([1])
        announce(queue, **changes)
        return queue.run("SELECT versao FROM vitrine.miniaturas") != before

    assert not written()
    assert written(chave="1/bb-w1-640.webp")
    assert written(chave="1/bb-w1-640.webp", digest="bb")
    for column, value in (
        ("bytes", 6), ("largura", 1), ("altura", 1), ("codificador", "old"), ("estado", "falhou"),
        ("motivo", "x"),
    ):  # fmt: skip
        queue.run(f"UPDATE vitrine.miniaturas SET {column} = %s", value)  # noqa: S608  # from the list above
        assert written(chave="1/bb-w1-640.webp", digest="bb"), column
    assert queue.verdict(1) == ("pronta", None, "1/bb-w1-640.webp", "bb", 5, 640, 480, RECIPE.codificador)


@pytest.mark.parametrize(
    ("motivo", "codificador"), [(Motivo.TRUNCADA, RECIPE.codificador), (Motivo.PIXELS_DEMAIS, RECIPE.limited)]
)
def test_a_condemned_content_is_not_tried_again_by_the_same_recipe(
    queue: Queue, motivo: Motivo, codificador: str
) -> None:
    queue.land(1)
    [claim] = queue.one.claim(1)
    assert queue.one.condemn(claim, motivo, digest="aa")
    queue.one.settle(claim, seen="1:2")
    assert queue.verdict(1) == ("falhou", motivo.value, None, "aa", None, None, None, codificador)
    assert queue.one.read_condemned() == [(1, "p.jpg", "1:2")]
    assert queue.one.queue_other_recipes() == 0
    queue.one.put([1])
    [claim] = queue.one.claim(1)
    assert (claim.condemned, claim.announced) == ("aa", None)
    queue.one.release()
    assert queue.one.read_condemned() == [], "it waits"
    looser = queue.open("one", replace(RECIPE, bounds="80:89:1536:30"))
    [claim] = looser.claim(1)
    assert claim.condemned == (None if motivo is Motivo.PIXELS_DEMAIS else "aa")


def test_what_the_storage_refused_is_offered_again_and_never_held_against_the_content(queue: Queue) -> None:
    queue.land(1, 2)
    for motivo in (Motivo.RECUSADA, Motivo.TRUNCADA):
        [claim] = queue.one.claim(1)
        queue.one.condemn(claim, motivo, digest="aa")
        queue.one.settle(claim, seen=None)
    assert queue.one.queue_refused() == 1
    [claim] = queue.one.claim(9)
    assert (claim.imagem_id, claim.condemned) == (2, None)
    assert queue.one.queue_refused() == 0, "it waits already"


def test_another_recipe_makes_again_what_it_would_make_otherwise(queue: Queue) -> None:
    queue.land(1)
    announce(queue)
    assert queue.one.queue_other_recipes() == 0
    assert queue.open("x", replace(RECIPE, bounds="1:1:1:1")).queue_other_recipes() == 0, (
        "a limit made nothing"
    )
    queue.run("UPDATE vitrine.miniaturas SET codificador = %s", f"{RECIPE.name} pillow-1.0")
    assert queue.one.queue_other_recipes() == 0, "a good one is good whatever the decoder"
    queue.run("UPDATE worker.photos SET attempts = 4")
    assert queue.open("y", Recipe((320,))).queue_other_recipes() == 1
    assert queue.row(1, "attempts, next_at <= clock_timestamp()") == (0, True)
    assert queue.open("y", Recipe((320,))).queue_other_recipes() == 0, "it waits already"
    queue.run("UPDATE worker.photos SET next_at = NULL")
    queue.run("UPDATE vitrine.miniaturas SET codificador = NULL")
    assert queue.one.queue_other_recipes() == 1


def test_a_sweep_sets_right_what_no_trigger_saw(queue: Queue) -> None:
    queue.land(1, 2, 3)
    announce(queue, 3)
    queue.run("UPDATE worker.photos SET next_at = NULL WHERE imagem_id = 2")
    queue.run("DELETE FROM worker.photos WHERE imagem_id = 1")
    queue.run("INSERT INTO worker.photos (imagem_id, next_at) VALUES (8, now())")
    queue.run("INSERT INTO vitrine.miniaturas (imagem_id, estado) VALUES (9, 'falhou')")
    assert queue.one.sweep() == 4
    rows = queue.run("SELECT imagem_id, next_at IS NOT NULL FROM worker.photos ORDER BY 1")
    assert rows == [(1, True), (2, True), (3, False)]
    assert queue.run("SELECT imagem_id FROM vitrine.miniaturas") == [(3,)]
    assert queue.one.sweep() == 0


@pytest.mark.parametrize("gone", ["public.pedido_imagens", "vitrine.imagens"])
def test_while_one_table_is_copied_anew_nothing_of_its_photos_is_swept(queue: Queue, gone: str) -> None:
    queue.land(1)
    announce(queue)
    queue.run("ALTER TABLE public.pedido_imagens DISABLE TRIGGER project")
    try:
        queue.run(f"DELETE FROM {gone}")  # noqa: S608  # from the list above
        assert queue.one.sweep() == 0
    finally:
        queue.run("ALTER TABLE public.pedido_imagens ENABLE ALWAYS TRIGGER project")
    assert queue.verdict(1) is not None
    assert queue.row(1, "imagem_id") == (1,)


def test_what_is_queued_is_queued_anew_or_added(queue: Queue) -> None:
    queue.land(1)
    queue.run("UPDATE worker.photos SET next_at = NULL, attempts = 4")
    assert queue.one.put([1, 2]) == 2
    assert queue.run("SELECT imagem_id, attempts FROM worker.photos ORDER BY 1") == [(1, 0), (2, 0)]
    assert queue.one.put([]) == 0


def test_how_the_photos_stand_is_counted(queue: Queue) -> None:
    nothing = queue.one.count()
    assert (nothing.waiting, nothing.oldest_waiting_seconds, nothing.prontas, nothing.falhas) == (0, 0, 0, {})
    queue.land(1, 2, 3, 4, 5)
    announce(queue, 5)
    for motivo in (Motivo.VAZIO, Motivo.VAZIO):
        [claim] = queue.one.claim(1)
        queue.one.condemn(claim, motivo, digest=None)
        queue.one.settle(claim, seen=None)
    queue.run("UPDATE worker.photos SET queued_at = now() - interval '1 h' WHERE imagem_id IN (1, 5)")
    queue.run("UPDATE worker.photos SET queued_at = now() - interval '1 min' WHERE imagem_id = 2")
    tally = queue.one.count()
    assert (tally.waiting, tally.prontas, tally.falhas) == (2, 1, {"vazio": 2})
    assert 3600 <= tally.oldest_waiting_seconds < 3700


def test_what_the_storage_lacks_is_withdrawn_unless_it_changed_meanwhile(queue: Queue) -> None:
    queue.land(1, 2, 3)
    for one in (3, 2, 1):
        announce(queue, one, chave=f"{one}/aa-w1-640.webp")
    assert queue.reconcile("count_announced") == [(3,)]
    queue.one.put([2])
    assert queue.reconcile("count_announced") == [(2,)]
    lost = {"imagem_ids": [1, 2, 3], "chaves": ["1/aa-w1-640.webp", "2/aa-w1-640.webp", "3/bb-w1-640.webp"]}
    assert queue.reconcile("withdraw_verdicts", **lost) == [(1,)]
    assert queue.run("SELECT imagem_id FROM vitrine.miniaturas ORDER BY 1") == [(2,), (3,)]


def test_every_photo_that_anything_knows_is_read(queue: Queue) -> None:
    queue.land(1, 2)
    announce(queue, 2, chave="2/aa-w1-640.webp")
    queue.run("INSERT INTO vitrine.miniaturas (imagem_id, estado) VALUES (9, 'falhou')")
    assert queue.reconcile("read_photos") == [
        (1, "p.jpg", True, True, None, None, None, None),
        (2, "p.jpg", True, False, "1:2", "pronta", "2/aa-w1-640.webp", 5),
        (9, None, False, False, None, "falhou", None, None),
    ]


def test_a_leftover_has_its_full_grace_each_time_it_is_one(queue: Queue) -> None:
    def found_at() -> dict[str, datetime]:
        return dict(queue.run("SELECT chave, found_at FROM worker.leftovers"))

    queue.reconcile("remember_leftovers", keys=["a", "b"])
    first = found_at()
    queue.reconcile("remember_leftovers", keys=["a", "c"])
    assert found_at()["a"] == first["a"]
    queue.reconcile("forget_leftovers", keys=["a"])
    assert found_at().keys() == {"a"}
    assert queue.reconcile("read_leftovers", grace_s=60) == []
    queue.run("UPDATE worker.leftovers SET found_at = now() - interval '61 s'")
    assert queue.reconcile("read_leftovers", grace_s=60) == [("a",)]
    queue.reconcile("forget_leftover", key="a")
    assert found_at() == {}


DIGEST = "0123456789abcdef"
KEY = f"1/{DIGEST}-w1-640.webp"
STRAYS = {
    KEY: False,
    f"1/{DIGEST}-w1-1600.webp": False,
    f"1/{DIGEST}-w1-320.webp": True,
    f"1/{DIGEST}-w2-640.webp": True,
    "1/fedcba9876543210-w1-640.webp": True,
    f"2/{DIGEST}-w1-640.webp": False,
    f"3/{DIGEST}-w1-640.webp": True,
    f"01/{DIGEST}-w1-640.webp": False,
    f"3/{DIGEST}-w1-9.webp": False,
    f"3/{DIGEST}-w1-12345.webp": False,
    f"3/{DIGEST[:-1]}-w1-640.webp": False,
    f"3/{DIGEST}-w1-640.jpg": False,
    "3/somebodys.webp": False,
}


@pytest.mark.parametrize("key", STRAYS)
def test_only_what_nothing_names_and_nobody_makes_is_a_leftover(queue: Queue, key: str) -> None:
    queue.land(1, 2)
    queue.run("UPDATE worker.photos SET next_at = NULL WHERE imagem_id = 1")
    queue.run("INSERT INTO vitrine.miniaturas (imagem_id, estado, chave) VALUES (1, 'pronta', %s)", KEY)
    assert bool(queue.reconcile("is_leftover", key=key, long_edges=["640", "1600"])) is STRAYS[key]


def test_a_photo_is_held_by_the_number_in_its_key(queue: Queue) -> None:
    queue.land(1, 11)
    assert queue.reconcile("hold_photo", key=KEY) == [(1,)]
    with queue.conn.transaction():
        queue.reconcile("hold_photo", key=KEY)
        assert ids(queue.one.claim(9)) == [11]


# ------------------------------------------------------------------ the worker's other statements

QUERIES = read_blocks("thumbnail_worker", "queries")


@pytest.fixture
def vitrine(landing: Connection) -> Connection:
    return landing


def upsert(conn: Connection, *users: tuple[int, str, bytes, bool], key_id: str = "k1") -> int:
    numbers, salts, digests, changed = zip(*users, strict=True)
    given = {
        "user_ids": list(numbers), "salts": list(salts), "digests": list(digests), "changed": list(changed),
        "key_id": key_id,
    }  # fmt: skip
    return conn.execute(QUERIES["upsert_credenciais"], given).rowcount


def credenciais(conn: Connection) -> list[tuple[Any, ...]]:
    return conn.execute(
        "SELECT user_id, salt, digest, key_id, mudou_em IS NOT NULL FROM vitrine.credenciais ORDER BY 1"
    ).fetchall()


def test_a_credential_is_written_where_anything_of_it_differs(vitrine: Connection) -> None:
    assert upsert(vitrine, (1, "s", b"d", False), (2, "t", b"e", True)) == 2
    assert credenciais(vitrine) == [(1, "s", b"d", "k1", False), (2, "t", b"e", "k1", True)]
    assert upsert(vitrine, (1, "s", b"d", True), (2, "t", b"e", False)) == 0
    for user, key_id in (
        ((1, "u", b"d", False), "k1"),
        ((1, "u", b"f", False), "k1"),
        ((1, "u", b"f", False), "k2"),
    ):
        assert upsert(vitrine, user, key_id=key_id) == 1
    assert credenciais(vitrine)[0] == (1, "u", b"f", "k2", False)
    upsert(vitrine, (2, "x", b"e", False))
    assert credenciais(vitrine)[1] == (2, "x", b"e", "k1", True), "when it last changed was forgotten"


def test_a_password_that_is_no_hash_voids_what_was_there_and_who_is_gone_goes(vitrine: Connection) -> None:
    upsert(vitrine, (1, "s", b"d", False), (2, "t", b"e", False), (3, "u", b"f", False))
    assert vitrine.execute(QUERIES["blank_credenciais"], {"not_bcrypt": [2]}).rowcount == 1
    assert vitrine.execute(QUERIES["blank_credenciais"], {"not_bcrypt": [2]}).rowcount == 0
    assert vitrine.execute(QUERIES["delete_credenciais"], {"user_ids": [1], "not_bcrypt": [2]}).rowcount == 1
    assert credenciais(vitrine) == [(1, "s", b"d", "k1", False), (2, "", b"", "k1", True)]


def test_who_cannot_log_in_is_remembered_with_why_and_since_when(vitrine: Connection) -> None:
    def remember(reason: str, *users: int) -> int:
        given = {"not_bcrypt": list(users), "reason": reason}
        return vitrine.execute(QUERIES["upsert_unsynced"], given).rowcount

    assert remember("plain", 1, 2) == 2
    assert remember("plain", 1, 2) == 0
    assert remember("other", 1) == 1
    query = "SELECT user_id, reason FROM projection.unsynced_credentials ORDER BY 1"
    assert vitrine.execute(query).fetchall() == [(1, "other"), (2, "plain")]
    vitrine.execute(QUERIES["delete_unsynced"], {"not_bcrypt": [2]})
    assert vitrine.execute(query).fetchall() == [(2, "plain")]


def test_revocations_are_kept_until_their_tokens_have_ended(vitrine: Connection) -> None:
    [[now]] = vitrine.execute("SELECT now()").fetchall()
    digests = {"digests": [b"a", b"b"], "ends": [now, now.replace(year=now.year + 1)]}
    assert vitrine.execute(QUERIES["insert_revogacoes"], digests).rowcount == 2
    assert vitrine.execute(QUERIES["insert_revogacoes"], digests).rowcount == 0
    vitrine.execute(QUERIES["delete_revogacoes"], {"now": now})
    assert vitrine.execute("SELECT digest FROM vitrine.revogacoes").fetchall() == [(b"b",)]

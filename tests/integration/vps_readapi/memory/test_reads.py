"""What the API answers over a real window: contract, paging, search, totals, coherence."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta

import brotli
import pytest
import zstandard
from psycopg.sql import SQL, Identifier

from db.engines import Connection
from db.waiting import wait_until
from tests.fix_api import (
    ITEM,
    Client,
    RunningApi,
    Windows,
    beat,
    make_token,
    quote,
    run_api,
    write_session,
)

pytestmark = pytest.mark.integration

PEDIDOS = 60
UNPACK = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda packed: zstandard.ZstdDecompressor().decompressobj().decompress(packed),
}


def change(writer: Connection, pedido_id: int, column: str, value: object) -> None:
    statement = SQL("UPDATE vitrine.pedidos SET {} = %s, versao = versao + 1 WHERE id = %s")
    writer.execute(statement.format(Identifier(column)), [value, pedido_id])


def put(writer: Connection, pedido_id: int, cliente: str, *, created: str | None = "2027-01-01") -> None:
    writer.execute(
        "INSERT INTO vitrine.pedidos (id, cliente, items, data_criacao, versao) VALUES (%s, %s, %s, %s, 1)",
        [pedido_id, cliente, json.dumps([ITEM]), created],
    )


def remove(writer: Connection, *pedido_ids: int) -> None:
    writer.execute("DELETE FROM vitrine.pedidos WHERE id = ANY(%s)", [list(pedido_ids)])


# ---------------------------------------------------------------- coherence


def test_each_answer_shows_the_change_before_it(client: Client, writer: Connection) -> None:
    tags = set()
    for n in range(50):
        change(writer, 1, "observacao", f"nota {n}")
        answer = client.get("/pedidos/1")
        assert answer.json()["observacao"] == f"nota {n}"
        listed = {one["id"]: one for one in client.get("/pedidos/").json()}
        assert listed[1]["observacao"] == f"nota {n}"
        tags.add(answer.headers["etag"])
    assert len(tags) == 50


def test_the_kept_list_is_the_databases(client: Client, writer: Connection) -> None:
    put(writer, 901, "Nova")
    put(writer, 902, "Sem data", created=None)
    change(writer, 3, "data_criacao", "2027-02-01")
    kept, read = (client.get(path).json() for path in ("/pedidos/", "/pedidos/?limit=1000"))
    assert kept == read
    assert [kept[0]["id"], kept[1]["id"], kept[-1]["id"]] == [3, 901, 902]
    remove(writer, 901, 902)
    assert {901, 902}.isdisjoint(one["id"] for one in client.get("/pedidos/").json())
    assert client.get("/pedidos/901").status == 404


def test_a_photo_changes_its_orders_body(client: Client, writer: Connection) -> None:
    assert "/miniaturas/5.webp?s=" in client.get("/pedidos/5").json()["items"][0]["imagem_url"]
    writer.execute("UPDATE vitrine.miniaturas SET chave = 'nova.webp', versao = 2 WHERE imagem_id = 5")
    assert "/nova.webp?" in client.get("/pedidos/5").json()["items"][0]["imagem_url"]
    client.get("/pedidos/6")
    writer.execute("UPDATE vitrine.imagens SET pedido_id = 6, versao = 2 WHERE id = 5")
    assert client.get("/pedidos/5").json()["items"][0]["imagem_url"] is None


def test_a_miniatura_that_is_written_before_its_photo_is_seen(
    client: Client, writer: Connection, dsn: str
) -> None:
    writer.execute("DELETE FROM vitrine.imagens WHERE id = 8")
    assert client.get("/pedidos/8").json()["items"][0]["imagem_url"] is None
    with write_session(dsn) as other, other.transaction():
        other.execute("UPDATE vitrine.miniaturas SET chave = 'oito.webp', versao = 3 WHERE imagem_id = 8")
        writer.execute("INSERT INTO vitrine.imagens (id, pedido_id, item_index, versao) VALUES (8, 8, 0, 2)")
        assert "/8.webp?" in client.get("/pedidos/8").json()["items"][0]["imagem_url"]
    assert "/oito.webp?" in client.get("/pedidos/8").json()["items"][0]["imagem_url"]


def test_a_truncated_table_leaves_nothing_behind(windows: Windows) -> None:
    with windows.open(pedidos=5) as dsn, run_api(dsn) as api, write_session(dsn) as writer:
        client = api.connect()
        assert len(client.get("/pedidos/").json()) == 5
        cursor = client.get("/pedidos/1").headers["sync-cursor"]
        writer.execute("TRUNCATE vitrine.pedidos")
        assert client.get("/pedidos/").json() == []
        assert client.get("/pedidos/1").status == 404
        assert client.get(f"/pedidos/?desde={cursor}").json()["completo"] is True
        client.close()


def test_a_user_who_is_made_inactive_is_out_at_once(api: RunningApi, writer: Connection) -> None:
    ana = Client(api.port, token=make_token(2))
    assert [ana.get(path).status for path in ("/pedidos/1", "/pedidos/1", "/pedidos/")] == [200] * 3
    writer.execute("UPDATE vitrine.usuarios SET is_active = false, versao = versao + 1 WHERE id = 2")
    assert [ana.get(path).status for path in ("/pedidos/1", "/pedidos/", "/auth/me")] == [401] * 3
    writer.execute("UPDATE vitrine.usuarios SET is_active = true, versao = versao + 1 WHERE id = 2")
    assert ana.get("/pedidos/1").status == 200
    ana.close()


def test_a_token_ends_when_it_says(api: RunningApi) -> None:
    short = Client(api.port, token=make_token(lifetime=timedelta(seconds=2)))
    assert short.get("/pedidos/1").status == 200
    assert wait_until(lambda: short.get("/pedidos/1").status == 401, 60)
    short.close()


@pytest.mark.parametrize("token", ["", "abc", make_token(3), make_token(99)])
def test_nobody_unknown_reads(api: RunningApi, token: str) -> None:
    unknown = Client(api.port, token=token or "-")
    for path in ("/pedidos/", "/pedidos/1", "/pedidos/status/pronto", "/pedidos/totais", "/eventos"):
        answer = unknown.get(path)
        assert (answer.status, answer.headers["content-type"]) == (401, "application/problem+json")
    unknown.close()


# ---------------------------------------------------------------- ETag and codings


@pytest.mark.parametrize("path", ["/pedidos/", "/pedidos/1"])
def test_304_until_something_changes(client: Client, writer: Connection, path: str) -> None:
    tag = client.get(path).headers["etag"]
    for given in (tag, f'"x", {tag}', "*", tag.removeprefix("W/")):
        same = client.get(path, If_None_Match=given)
        assert (same.status, same.content, same.headers["etag"]) == (304, b"", tag)
    change(writer, 1, "observacao", f"mudou {path}")
    assert client.get(path, If_None_Match=tag).status == 200


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
@pytest.mark.parametrize("path", ["/pedidos/", "/pedidos/2"])
def test_bodies_come_compressed(client: Client, coding: str, path: str) -> None:
    plain, packed = client.get(path), client.get(path, Accept_Encoding=coding)
    again = client.get(path, Accept_Encoding=coding)
    assert packed.headers["content-encoding"] == again.headers["content-encoding"] == coding
    assert UNPACK[coding](packed.content) == UNPACK[coding](again.content) == plain.content
    assert len(packed.content) < len(plain.content) / 2
    assert packed.headers["etag"] == plain.headers["etag"]


def test_the_short_way_and_the_long_way_say_the_same(client: Client, writer: Connection) -> None:
    beat(writer)  # else the state may change between the two, half a minute after the window was made
    assert wait_until(lambda: client.get("/saude/viva").headers["sync-state"] == "fresh", 60)
    client.get("/pedidos/4")
    short = client.get("/pedidos/4")
    client.get("/saude/viva")
    long = client.get("/pedidos/4", Connection="keep-alive, x-none")
    volatile = {"date", "x-request-id", "sync-age"}
    assert short.content == long.content
    assert {k: v for k, v in short.headers.items() if k not in volatile} == {
        k: v for k, v in long.headers.items() if k not in volatile
    }


def test_head_has_the_fields_and_no_body(client: Client) -> None:
    whole = client.get("/pedidos/4")
    for _ in range(2):
        head = client.get("/pedidos/4", method="HEAD")
        assert (head.status, head.content) == (200, b"")
        assert head.headers["content-length"] == whole.headers["content-length"]


# ---------------------------------------------------------------- contract


def test_by_status_totals_and_summary_agree(client: Client) -> None:
    orders = client.get("/pedidos/").json()
    ready = client.get("/pedidos/status/pronto").json()
    assert ready == [one for one in orders if one["status"] == "pronto"]
    totals = client.get("/pedidos/totais?status=pronto").json()
    assert totals["pedidos"] == len(ready)
    assert totals["valor_total"] == f"{403.5 * len(ready):.2f}"
    summary = client.get("/pedidos/resumo").json()
    assert summary["por_status"]["pronto"] == totals
    assert summary["total"]["pedidos"] == len(orders)
    assert client.get("/pedidos/status/nenhum").status == 422


@pytest.mark.parametrize(("time_zone", "late"), [("Etc/GMT+12", 0), ("Pacific/Kiritimati", 1)])
def test_an_order_is_late_by_the_shops_day(dsn: str, writer: Connection, time_zone: str, late: int) -> None:
    """The day at the one end of the world's clock is over at the other, whenever it is."""
    put(writer, 941, "Prazo")
    writer.execute(
        "UPDATE vitrine.pedidos SET data_entrega = (now() AT TIME ZONE 'Etc/GMT+12')::date WHERE id = 941"
    )
    with run_api(dsn, time_zone=time_zone) as api:
        client = api.connect()
        assert client.get("/pedidos/totais?busca=prazo").json()["atrasados"] == late
        client.close()
    remove(writer, 941)


def test_pages_by_place_bring_each_order_once(client: Client, writer: Connection) -> None:
    put(writer, 911, "Sem data", created=None)
    put(writer, 912, "Sem data", created=None)
    whole = [one["id"] for one in client.get("/pedidos/").json()]
    found, path = [], "/pedidos/?limit=7"
    while path:
        answer = client.get(path)
        found += [one["id"] for one in answer.json()]
        path = answer.headers.get("link", "").partition("<")[2].partition(">")[0]
        if len(found) == 14:
            put(writer, 913, "Entrou no meio")
    assert found == whole
    assert client.get("/pedidos/?depois=xx&limit=2").status == 422
    remove(writer, 911, 912, 913)


def test_dates_that_are_none_in_a_calendar_stay_where_the_database_sorts_them(windows: Windows) -> None:
    with windows.open(pedidos=4) as dsn, run_api(dsn) as api, write_session(dsn) as writer:
        client = api.connect()
        dates = ("infinity", "-infinity", "20000-01-01", "290000-01-01 00:00:00.000001", "4714-11-24 BC")
        for pedido_id, created in enumerate((*dates, "infinity", None), 11):
            put(writer, pedido_id, "Fora do calendário", created=created)
        newest = writer.execute(
            "SELECT id FROM vitrine.pedidos ORDER BY data_criacao DESC NULLS LAST, id DESC"
        ).fetchall()
        ids = [one["id"] for one in client.get("/pedidos/").json()]
        assert ids == [pedido_id for (pedido_id,) in newest]
        found, path = [], "/pedidos/?limit=1"
        while path:
            answer = client.get(path)
            found += [one["id"] for one in answer.json()]
            path = answer.headers.get("link", "").partition("<")[2].partition(">")[0]
        assert found == ids
        last = ["-99999999999999999999.1", "99999999999999999999.9999999999", "9224318015999999999.1"]
        assert {client.get(f"/pedidos/?limit=9&depois={one}").status for one in last} == {200}
        client.close()


@pytest.mark.parametrize("asked", ["agencia cao", "AGÊNCIA ÇÃO", "age\u0302ncia c\u0327a\u0303o", "Güñ"])
def test_search_folds_accents_on_both_sides(client: Client, writer: Connection, asked: str) -> None:
    put(writer, 921, "AGE\u0302NCIA Ça\u0303o Gu\u0308n\u0303ther")
    for name in ("cliente", "busca"):
        found = [one["id"] for one in client.get(f"/pedidos/?{name}={quote(asked)}&limit=500").json()]
        assert 921 in found
    assert client.get("/pedidos/?busca=%25").json() == []
    assert [o["id"] for o in client.get(f"/pedidos/?busca={quote('gunther agencia')}").json()] == [921]
    remove(writer, 921)


def test_short_words_and_signs_are_found_as_they_stand(client: Client, writer: Connection) -> None:
    change(writer, 9, "observacao", r"5% a_b c\d 123456 zq")
    for asked in ("zq", "5%", "a_", "c\\", "zq 5% 123456", "a_ zq vila 123456", "%%", "_"):
        found = [one["id"] for one in client.get(f"/pedidos/?busca={quote(asked)}&limit=500").json()]
        assert found == ([] if asked == "%%" else [9])
    change(writer, 9, "observacao", "0")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_write_is_refused_in_a_sentence(client: Client, method: str) -> None:
    answer = client.get("/pedidos/1", method=method)
    assert (answer.status, answer.headers["content-type"]) == (405, "application/problem+json")
    assert answer.json()["detail"].startswith("Esta API é somente leitura")
    assert answer.headers["access-control-allow-origin"] == "*"


def test_every_answer_says_how_old_the_data_is(client: Client) -> None:
    for path in ("/", "/pedidos/", "/pedidos/1", "/pedidos/99999", "/nada", "/pedidos/?status=x"):
        answer = client.get(path)
        assert {"sync-state", "sync-age", "sync-as-of", "x-request-id"} <= answer.headers.keys()
        assert answer.headers["access-control-allow-origin"] == "*"
    assert client.get("/", X_Request_Id="meu-1").headers["x-request-id"] == "meu-1"


def test_the_age_is_told_and_may_be_refused(client: Client, writer: Connection) -> None:
    for age_s, state in ((0, "fresh"), (60, "lagging"), (86400, "silent")):
        beat(writer, age=timedelta(seconds=age_s))
        for path in ("/pedidos/1", "/pedidos/?limit=1"):
            answer = client.get(path)
            assert (answer.status, answer.headers["sync-state"]) == (200, state)
            assert age_s <= int(answer.headers["sync-age"]) <= age_s + 12
            demanding = client.get(path, Sync_Max_Age="20")
            assert demanding.status == (200 if age_s == 0 else 503)
    assert demanding.headers["sync-state"] == "silent"
    beat(writer)
    assert client.get("/pedidos/1", Sync_Max_Age="20").status == 200

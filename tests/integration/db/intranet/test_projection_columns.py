"""Each landed column alone: what changes in SGP changes in the window, and what is at a bound is read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from psycopg import sql
from psycopg.rows import dict_row

from db.engines import Connection
from db.intranet.landing import LANDING_COLUMNS
from tests.integration.db.intranet.test_projection import KEY, ask, build_row, land, read

PEDIDO: Mapping[str, tuple[Any, str, Any]] = {
    "numero": ("B-9", "numero", "B-9"),
    "cliente": ("Outra", "cliente", "Outra"),
    "status": ("entregue", "status", "entregue"),
    "prioridade": (" alta ", "prioridade", "ALTA"),
    "data_entrada": ("2026-03-04", "data_entrada", date(2026, 3, 4)),
    "data_entrega": ("2026-03-05", "data_entrega", date(2026, 3, 5)),
    "cidade_cliente": ("Serra||BA", "cidade_cliente", "Serra"),
    "telefone_cliente": ("27 9", "telefone_cliente", "27 9"),
    "valor_total": ("7,01", "valor_total", Decimal("7.01")),
    "valor_frete": ("7,02", "valor_frete", Decimal("7.02")),
    "valor_itens": ("7,03", "valor_itens", Decimal("7.03")),
    "observacao": ("nova", "observacao", "nova"),
    "forma_envio": ("moto", "forma_envio", "moto"),
    "financeiro": (True, "financeiro", True),
    "conferencia": (True, "conferencia", True),
    "sublimacao": (True, "sublimacao", True),
    "costura": (True, "costura", True),
    "expedicao": (True, "expedicao", True),
    "pronto": (True, "pronto", True),
    "sublimacao_maquina": ("M7", "sublimacao_maquina", "M7"),
    "sublimacao_data_impressao": ("2026-03-06", "sublimacao_data_impressao", "2026-03-06"),
    "items": ('[{"descricao": "Lona"}]', "items", "Lona"),
    "data_criacao": ("2026-03-07T00:00:00", "data_criacao", datetime(2026, 3, 7, tzinfo=UTC)),
    "ultima_atualizacao": ("2026-03-08T00:00:00", "ultima_atualizacao", datetime(2026, 3, 8, tzinfo=UTC)),
}
PLAIN = dict.fromkeys(("financeiro", "conferencia", "sublimacao", "costura", "expedicao", "pronto"), False)


WAYS = ("changed alone", "changed by hand", "landed again")
"""By hand the projection is guarded: it reads the whole row again."""


def apply_as(conn: Connection, way: str = "changed alone") -> None:
    """Have the session write as apply does, unless it is somebody's own."""
    if way != "changed by hand":
        conn.execute("SET LOCAL session_replication_role = replica")


def update(conn: Connection, table: str, changes: Mapping[str, object]) -> None:
    conn.execute(
        sql.SQL("UPDATE {} SET {}").format(
            sql.Identifier("public", table),
            sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in changes
            ),
        ),
        changes,
    )


def test_every_landed_column_of_an_order_has_a_case() -> None:
    assert {"id", *PEDIDO} == set(LANDING_COLUMNS["public.pedidos"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("column", PEDIDO)
def test_a_column_of_an_order_that_changes_alone_is_shown(landing: Connection, column: str, way: str) -> None:
    apply_as(landing, way)
    given, shown, value = PEDIDO[column]
    row = build_row("items_empty", **PLAIN)
    land(landing, row)
    before = read(landing)
    if way != "landed again":
        update(landing, "pedidos", {column: given})
    else:
        land(landing, {**row, column: given})
    after = read(landing)
    found = after[shown][0]["descricao"] if column == "items" else after[shown]
    assert found == value
    assert after["versao"] > before["versao"]
    also = {"estado_cliente"} if column == "cidade_cliente" else set()
    assert {name for name in after if after[name] != before[name]} == {shown, "versao", *also}


READ = tuple(name for name in PEDIDO if name.startswith(("data_entr", "valor_", "cidade", "items")))


@pytest.mark.parametrize("column", READ)
def test_a_column_that_takes_reading_is_shown_where_one_that_takes_none_changes_too(
    landing: Connection, column: str
) -> None:
    apply_as(landing)
    given, shown, value = PEDIDO[column]
    land(landing, build_row("items_empty", **PLAIN))
    update(landing, "pedidos", {column: given, "numero": "B-9", "costura": True})
    after = read(landing)
    assert (after[shown][0]["descricao"] if column == "items" else after[shown]) == value
    assert (after["numero"], after["costura"]) == ("B-9", True)


FLAGS = tuple(PLAIN)


def test_a_flag_that_is_not_there_is_off(landing: Connection) -> None:
    apply_as(landing)
    land(landing, build_row("items_empty", **dict.fromkeys(FLAGS, True)))
    update(landing, "pedidos", dict.fromkeys(FLAGS))
    assert [read(landing)[name] for name in FLAGS] == [False] * len(FLAGS)


def test_what_was_said_of_an_order_is_taken_back_when_it_is_well_again(landing: Connection) -> None:
    apply_as(landing)
    land(landing, build_row("items_empty", valor_total="a combinar", status="perdido"))
    assert read(landing)["avisos"] == ["status_desconhecido", "valor_total_ilegivel"]
    update(landing, "pedidos", {"status": "pronto"})
    assert (read(landing)["status"], read(landing)["avisos"]) == ("pronto", ["valor_total_ilegivel"])
    update(landing, "pedidos", {"status": "perdido"})
    assert read(landing)["avisos"] == ["status_desconhecido", "valor_total_ilegivel"]
    update(landing, "pedidos", {"valor_total": "5"})
    assert read(landing)["avisos"] == ["status_desconhecido"]


IMAGEM: Mapping[str, tuple[Any, Any]] = {
    "pedido_id": (8, 8),
    "item_index": (3, 3),
    "item_identificador": ("b", "b"),
    "filename": ("b.png", "b.png"),
    "mime_type": ("image/png", "image/png"),
    "tamanho": (20, 20),
    "criado_em": ("2026-03-07T00:00:00", datetime(2026, 3, 7, tzinfo=UTC)),
}
IMAGEM_ROW = {
    "id": 5, "pedido_id": 7, "item_index": 1, "item_identificador": "a", "filename": "a.jpg",
    "mime_type": "image/jpeg", "path": "p/a.jpg", "tamanho": 10, "criado_em": "2026-01-01T00:00:00",
}  # fmt: skip


def land_imagem(conn: Connection, **changes: object) -> None:
    row = {**IMAGEM_ROW, **changes}
    conn.execute(
        sql.SQL("INSERT INTO public.pedido_imagens ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(map(sql.Placeholder, row))
        ),
        row,
    )


def read_row(conn: Connection, query: str) -> dict[str, Any]:
    with conn.cursor(row_factory=dict_row) as cursor:
        [row] = cursor.execute(query.encode()).fetchall()
    return row


def test_every_landed_column_of_a_photo_has_a_case_but_its_path() -> None:
    assert {"id", "path", *IMAGEM} == set(LANDING_COLUMNS["public.pedido_imagens"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("column", IMAGEM)
def test_a_column_of_a_photo_that_changes_alone_is_shown(landing: Connection, column: str, way: str) -> None:
    apply_as(landing, way)
    given, value = IMAGEM[column]
    land_imagem(landing)
    before = read_row(landing, "SELECT * FROM vitrine.imagens")
    if way != "landed again":
        update(landing, "pedido_imagens", {column: given})
    else:
        land_imagem(landing, **{column: given})
    after = read_row(landing, "SELECT * FROM vitrine.imagens")
    assert after[column] == value
    assert {name for name in after if after[name] != before[name]} == {column, "versao"}


def test_a_photo_that_changes_where_the_window_shows_nothing_keeps_its_versao(landing: Connection) -> None:
    apply_as(landing)
    land_imagem(landing)
    before = read_row(landing, "SELECT * FROM vitrine.imagens")
    update(landing, "pedido_imagens", {"path": "p/b.jpg"})
    assert read_row(landing, "SELECT * FROM vitrine.imagens") == before
    update(landing, "pedido_imagens", {"id": 6})
    assert ask(landing, "SELECT array_agg(id) FROM vitrine.imagens") == [6]
    landing.execute("DELETE FROM public.pedido_imagens")
    assert ask(landing, "SELECT count(*) FROM vitrine.imagens") == 0


def photo_turn(conn: Connection) -> tuple[bool, int] | None:
    row = conn.execute("SELECT next_at IS NOT NULL, attempts FROM worker.photos").fetchone()
    return None if row is None else (row[0], row[1])


def settle_photo(conn: Connection) -> None:
    conn.execute("UPDATE worker.photos SET next_at = NULL, attempts = 3")


@pytest.mark.parametrize("column", ["filename", "mime_type", "tamanho"])
def test_a_photo_whose_file_is_another_is_made_again(landing: Connection, column: str) -> None:
    land_imagem(landing)
    assert photo_turn(landing) == (True, 0)
    settle_photo(landing)
    update(landing, "pedido_imagens", {column: IMAGEM[column][0]})
    assert photo_turn(landing) == (True, 0)


@pytest.mark.parametrize("column", ["pedido_id", "item_index", "item_identificador", "criado_em"])
def test_a_photo_whose_file_is_the_same_is_not(landing: Connection, column: str) -> None:
    land_imagem(landing)
    settle_photo(landing)
    update(landing, "pedido_imagens", {column: IMAGEM[column][0]})
    assert photo_turn(landing) == (False, 3)


def test_a_photo_that_waits_already_has_its_turn_now(landing: Connection) -> None:
    land_imagem(landing)
    landing.execute("UPDATE worker.photos SET next_at = 'infinity', attempts = 9")
    update(landing, "pedido_imagens", {"tamanho": 11})
    assert photo_turn(landing) == (True, 0)
    assert ask(landing, "SELECT next_at <= clock_timestamp() FROM worker.photos")


def test_how_long_a_photo_waits_is_counted_from_when_it_came(landing: Connection) -> None:
    def queued() -> datetime | None:
        found: datetime | None = ask(landing, "SELECT queued_at FROM worker.photos")
        return found

    land_imagem(landing)
    first = queued()
    assert first is not None
    landing.execute("UPDATE worker.photos SET next_at = now() + interval '1 h'")
    assert queued() == first, "putting it off changed since when it waits"
    landing.execute("UPDATE worker.photos SET next_at = NULL")
    assert queued() is None
    landing.execute("UPDATE worker.photos SET next_at = now()")
    again = queued()
    assert again is not None
    assert again > first


USER: Mapping[str, tuple[Any, Any]] = {
    "username": ("bia", "bia"),
    "is_admin": (True, True),
    "setor": ("costura", "costura"),
    "is_active": (False, False),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("column", USER)
def test_a_users_column_that_changes_alone_is_shown(landing: Connection, column: str, way: str) -> None:
    apply_as(landing, way)
    row = {"id": 1, "username": "ana", "is_admin": False, "setor": "arte", "is_active": True}
    insert = sql.SQL('INSERT INTO public."user" VALUES ({})').format(
        sql.SQL(", ").join(map(sql.Placeholder, row))
    )
    landing.execute(insert, row)
    before = read_row(landing, "SELECT * FROM vitrine.usuarios")
    given, value = USER[column]
    if way != "landed again":
        update(landing, "user", {column: given})
    else:
        landing.execute(insert, {**row, column: given})
    after = read_row(landing, "SELECT * FROM vitrine.usuarios")
    assert after[column] == value
    assert {name for name in after if after[name] != before[name]} == {column, "versao"}
    update(landing, "user", {"id": 2})
    assert ask(landing, "SELECT array_agg(id) FROM vitrine.usuarios") == [2]
    landing.execute('DELETE FROM public."user"')
    assert ask(landing, "SELECT count(*) FROM vitrine.usuarios") == 0


MONEY = {
    "99999999999.99": "99999999999.99",
    "99999999999,999": "100000000000.00",
    "100000000000": None,
    "999999999999.999": None,
    "-99999999999": "-99999999999.00",
    "-100000000000": None,
    "00000000000000000000012,3": "12.30",
    "1.000.000.000,00": "1000000000.00",
    "0,005": "0.01",
    "0,004": "0.00",
    ",5": "0.50",
    "5,": "5.00",
    "--5": None,
    "-": None,
    "5-": None,
}


@pytest.mark.parametrize("text", MONEY)
def test_an_amount_is_read_up_to_its_bounds(landing: Connection, text: str) -> None:
    value = MONEY[text]
    assert ask(landing, "SELECT projection.parse_money(%s)::text", text) == value
    assert ask(landing, "SELECT projection.parse_money(%s)::numeric(14, 2)::text", text) == value


def test_an_amount_beyond_its_bounds_spoils_nothing_else(landing: Connection) -> None:
    apply_as(landing)
    land(landing, build_row("items_empty", valor_total="999999999999,999", observacao="fica"))
    found = read(landing)
    assert (found["valor_total"], found["observacao"]) == (None, "fica")
    assert found["avisos"] == ["valor_total_ilegivel"]
    assert ask(landing, "SELECT count(*) FROM projection.dead_letters") == 0


DATES = {
    "2026-02-28": date(2026, 2, 28),
    "2026-02-29": None,
    "2024-02-29": date(2024, 2, 29),
    "2026-04-30": date(2026, 4, 30),
    "2026-04-31": None,
    "2026-12-31": date(2026, 12, 31),
    "2026-13-01": None,
    "2026-00-10": None,
    "2026-01-00": None,
    "2026-01-01": date(2026, 1, 1),
    "0999-01-01": date(999, 1, 1),
    "1000-01-01": date(1000, 1, 1),
    "1/2/2026": date(2026, 2, 1),
    "31/12/2026": date(2026, 12, 31),
    "32/12/2026": None,
    "1/2/26": None,
}


@pytest.mark.parametrize("text", DATES)
def test_a_date_is_read_up_to_its_bounds(landing: Connection, text: str) -> None:
    assert ask(landing, "SELECT projection.parse_date(%s)", text) == DATES[text]


def items_of(conn: Connection, text: str) -> tuple[list[dict[str, Any]], list[str]]:
    row = conn.execute("SELECT * FROM projection.project_items(%s, 7)", [text]).fetchone()
    assert row is not None
    return row[0], row[1]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("123456789012345", 123456789012345), ("1234567890123456", 7000), ("0", 0), ('"12"', 12), ("1.5", 7000)],
)
def test_an_items_own_id_is_kept_up_to_fifteen_digits(landing: Connection, given: str, kept: int) -> None:
    [[item], _] = items_of(landing, '[{"id": ' + given + "}]")
    assert item["id"] == kept


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/pedidos/imagens/999999999", 999999999),
        ("/pedidos/imagens/1000000000", None),
        ("/pedidos/imagens/", None),
        ("x/pedidos/imagens/5", None),
        ("/pedidos/imagens/5/a", None),
    ],
)
def test_an_items_photo_is_named_by_its_path_alone(landing: Connection, path: str, kept: int | None) -> None:
    [[item], _] = items_of(landing, '[{"imagem": "' + path + '"}]')
    assert item.get("imagem_id") == kept


@pytest.mark.parametrize(("digits", "kept"), [(40, True), (41, False)])
def test_a_number_is_text_up_to_forty_digits(landing: Connection, digits: int, kept: bool) -> None:
    [[item], _] = items_of(landing, '[{"tecido": ' + "9" * digits + "}]")
    assert ("tecido" in item) is kept


@pytest.mark.parametrize(("pieces", "taken_apart"), [(30_000, True), (30_001, False)])
def test_a_broken_list_is_taken_apart_up_to_so_many_pieces(
    landing: Connection, pieces: int, taken_apart: bool
) -> None:
    items, avisos = items_of(landing, "[" + "," * (pieces - 3) + '"a"')
    assert ([item["descricao"] for item in items], avisos) == (
        (["a"], []) if taken_apart else ([], ["item_ilegivel"])
    )


def test_what_the_workshop_must_know_is_said_line_by_line(landing: Connection) -> None:
    finish = '{"overloque": true, "elastico": true, "ilhos": true}'
    whole = (
        '{"largura": "3", "altura": 2.5, "tecido": "Oxford", "acabamento": ' + finish + ","
        ' "emenda": "vertical", "emenda_qtd": 2, "observacao": "obs", "descricao": "Painel",'
        ' "vendedor": "Zé", "segredo": "x", "ziper": true, "alcinha": false}'
    )
    none = '{"acabamento": {"overloque": false}, "emenda": "Sem emenda", "largura": "3,1"}'
    [first, second], avisos = items_of(landing, f"[{whole}, {none}]")
    assert first == {
        "id": 7000, "indice": 0, "descricao": "Painel", "observacoes": "obs", "tecido": "Oxford",
        "vendedor": "Zé", "ziper": "Sim",
        "especificacoes": (
            "3,00 x 2,50 m\nOxford\nAcabamento: overloque, elástico, ilhós\nEmenda: vertical (2)"
        ),
    }  # fmt: skip
    assert second == {
        "id": 7001, "indice": 1, "descricao": "", "observacoes": "", "especificacoes": "3,10 m",
    }  # fmt: skip
    assert avisos == []


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
    landing.execute("SELECT projection.settle('public.pedido_imagens'::regclass, %s)", [KEY])
    landing.execute("SELECT projection.settle('public.pedidos'::regclass, %s)", [KEY + 1])
    assert ask(landing, "SELECT count(*) FROM projection.dead_letters") == 1
    landing.execute("SELECT projection.settle('public.pedidos'::regclass, %s)", [KEY])
    assert ask(landing, "SELECT count(*) FROM projection.dead_letters") == 0


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

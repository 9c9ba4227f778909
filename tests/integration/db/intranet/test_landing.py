"""What landing keeps of an order's items: what the window is made of, and four digits of what SGP wrote."""

from __future__ import annotations

import json
from hashlib import md5
from typing import Any

import pytest

from db.engines import Connection
from infra.devstack.seed.dirt_items import FIRST
from tests.integration.db.intranet.test_projection import CASES, KEY, ask, build_row, land, read

GS = "\x1d"
KEPT = "SELECT items FROM public.pedidos WHERE id = %s"
HELD = "SELECT array_agg(c.id ORDER BY c.id) FROM projection.cleaned AS c"
UNLIKE = "SELECT count(*) FROM projection.find_unlike('public.pedidos', NULL, NULL)"


def keep(conn: Connection) -> str | None:
    """Return what landing holds of the order's items."""
    kept: str | None = ask(conn, KEPT, KEY)
    return kept


def read_kept(conn: Connection) -> list[dict[str, Any]]:
    """Return the list that landing keeps."""
    kept = keep(conn) or ""
    items: list[dict[str, Any]] = json.loads(kept[kept.index("[") :])
    return items


def digits(text: object) -> str:
    return md5(str(text).encode(), usedforsecurity=False).hexdigest()[:4]


@pytest.mark.parametrize("case", [name for name in CASES if name.startswith("items")])
def test_whatever_sgp_wrote_landing_keeps_texts_under_known_names(landing: Connection, case: str) -> None:
    row = build_row(case)
    land(landing, row)
    if row["items"] is None:
        assert keep(landing) is None
        return
    assert str(keep(landing)).startswith(GS + digits(row["items"]))
    for item in read_kept(landing):
        assert all(isinstance(value, str) for key, value in item.items() if key != "indice")
        assert not {"imagem_path", "valor_unitario", "valor_total", "subtotal", "comentarios"} & set(item)
    assert ask(landing, UNLIKE) == 0


def test_what_is_not_shown_is_told_from_others_and_not_kept(landing: Connection) -> None:
    written = [{"descricao": "Faixa", "valor_unitario": price, "quem_sabe": {"a": 1}} for price in (1, 2)]
    first, second = (json.dumps([one]) for one in written)
    land(landing, build_row("items_empty", items=first))
    assert read_kept(landing) == [{"descricao": "Faixa"}]
    before = read(landing)
    landing.execute("UPDATE public.pedidos SET items = %s WHERE id = %s", [second, KEY])
    assert keep(landing) == GS + digits(second) + '[{"descricao": "Faixa"}]'
    assert read(landing) == before, "the window shows nothing else"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ({"descricao": {"valor_unitario": 3}, "tecido": [1]}, {}),
        ({"descricao": "veja data:image/png;base64,AAAA", "tecido": "Oxford"}, {"tecido": "Oxford"}),
        ({"imagem": "/pedidos/imagens/12"}, {"imagem": "12"}),
        ({"imagem": "C:\\fotos\\12.png"}, {}),
        ({"imagem": "/pedidos/imagens/12?chave=segredo"}, {}),
        ({"acabamento": {"elastico": True, "ilhos": True, "valor": 9}}, {"acabamento": "elástico, ilhós"}),
        ({"acabamento": "nenhum"}, {}),
        ({"id": "quem sabe"}, {}),
        ({"id": 12}, {"id": "12"}),
        (
            {"terceirizado": True, "ziper": False, "cordinha_extra": 2.5},
            {"terceirizado": "Sim", "cordinha_extra": "2.5"},
        ),
    ],
)
def test_a_value_is_kept_as_it_is_shown(
    landing: Connection, written: dict[str, object], kept: dict[str, str]
) -> None:
    land(landing, build_row("items_empty", items=json.dumps([written])))
    assert read_kept(landing) == [kept]


@pytest.mark.parametrize(
    ("raw", "letters", "avisos"),
    [
        ('[{"descricao": "a"}, 7]', "i", ["item_ilegivel"]),
        (json.dumps([{"descricao": str(n)} for n in range(1001)]), "d", ["itens_demais"]),
        (json.dumps([{"tecido": "x" * 5000}]), "c", ["texto_cortado"]),
        (json.dumps([7, {"tecido": "x" * 5000}]), "ic", ["item_ilegivel", "texto_cortado"]),
    ],
)
def test_what_is_said_about_a_list_is_kept_with_it(
    landing: Connection, raw: str, letters: str, avisos: list[str]
) -> None:
    land(landing, build_row("items_empty", items=raw))
    assert str(keep(landing))[5:].partition("[")[0] == letters
    assert read(landing)["avisos"] == avisos
    landing.execute("UPDATE public.pedidos SET observacao = 'uma nota' WHERE id = %s", [KEY])
    assert read(landing)["avisos"] == avisos
    assert ask(landing, UNLIKE) == 0


def test_an_item_knows_where_it_stood_among_others_that_could_not_be_read(landing: Connection) -> None:
    land(landing, build_row("items_empty", items=f"[7, {FIRST}, null, {FIRST}]"))
    assert [item.get("indice") for item in read_kept(landing)] == [1, 3]
    assert [item["indice"] for item in read(landing)["items"]] == [1, 3]


def test_a_row_that_is_copied_over_itself_is_kept_as_it_was(landing: Connection) -> None:
    row = build_row("items_empty", items=f"[{FIRST}]")
    land(landing, row)
    kept = keep(landing)
    land(landing, row)
    assert keep(landing) == kept
    land(landing, {**row, "items": "[7]"})
    assert keep(landing) == GS + digits("[7]") + "i[]"


def test_what_landed_while_nothing_cleaned_it_is_shown_and_cleaned_by_projecting_again(
    landing: Connection,
) -> None:
    raw = (
        f'[{{"descricao": "Faixa", "valor_unitario": "segredo"}}, {FIRST}]'  # with letters where words stand
    )
    landing.execute("ALTER TABLE public.pedidos DISABLE TRIGGER clean")
    land(landing, build_row("items_empty", items=raw))
    assert keep(landing) == raw
    assert len(read(landing)["items"]) == 2
    # As apply, which reads no items again.
    landing.execute("SELECT set_config('ponte.projects', 'freely', true)")
    landing.execute("UPDATE public.pedidos SET data_entrega = '2026-01-02' WHERE id = %s", [KEY])
    landing.execute("SELECT set_config('ponte.projects', '', true)")
    found = read(landing)
    assert (found["avisos"], str(found["data_entrega"])) == ([], "2026-01-02")
    landing.execute(
        "INSERT INTO public.pedidos (id, items)"
        " SELECT -n, items FROM public.pedidos, generate_series(1, 9) AS n"
    )
    landing.execute("ANALYZE public.pedidos")
    quoted = (
        "SELECT count(*) FROM pg_stats AS s WHERE tablename = 'pedidos' AND strpos(s::text, 'segredo') > 0"
    )
    assert ask(landing, quoted) == 1
    landing.execute("ALTER TABLE public.pedidos ENABLE ALWAYS TRIGGER clean")
    landing.execute("UPDATE public.pedidos SET observacao = 'uma nota' WHERE id = %s", [KEY])
    before = read(landing)
    assert (before["avisos"], before["observacao"]) == ([], "uma nota")
    landing.execute("SELECT projection.reproject('public.pedidos')")
    assert str(keep(landing)).startswith(GS + digits(raw))
    assert read(landing)["items"] == before["items"]
    assert ask(landing, UNLIKE) == 0
    assert ask(landing, quoted) == 0


def land_uncleaned(conn: Connection, *keys: int) -> str:
    """Have orders on landing as an earlier version left them; return their text."""
    raw = f'[{FIRST}, {{"valor_unitario": "segredo"}}]'
    conn.execute("ALTER TABLE public.pedidos DISABLE TRIGGER clean")
    for key in keys:
        land(conn, build_row("items_empty", id=key, items=raw))
    conn.execute("ALTER TABLE public.pedidos ENABLE ALWAYS TRIGGER clean")
    return raw


def test_an_order_that_cannot_be_shown_leaves_none_uncleaned(landing: Connection) -> None:
    raw = land_uncleaned(landing, KEY, KEY + 1)
    landing.execute(f"ALTER TABLE vitrine.pedidos ADD CONSTRAINT bad CHECK (id <> {KEY}) NOT VALID")
    landing.execute("SELECT projection.reproject('public.pedidos')")
    assert ask(landing, "SELECT array_agg(d.key) FROM projection.dead_letters AS d") == [KEY]
    kept = landing.execute("SELECT left(items, 5) FROM public.pedidos").fetchall()
    assert kept == [(GS + digits(raw),)] * 2


def test_an_uncleaned_order_is_cleaned_with_its_next_change(landing: Connection) -> None:
    raw = land_uncleaned(landing, KEY)
    before = read(landing)
    landing.execute("UPDATE public.pedidos SET items = %s, observacao = 'a' WHERE id = %s", [raw, KEY])
    assert str(keep(landing)).startswith(GS + digits(raw))
    assert read(landing)["items"] == before["items"]


def test_a_text_that_cannot_be_cleaned_costs_its_order_its_items_and_stops_nobody(
    landing: Connection,
) -> None:
    """No such text is known: so cleaning is made to fail, for a reason that nobody thought of."""
    raw = json.dumps([{"descricao": "a", "valor_unitario": "segredo"}])
    landing.execute("ALTER FUNCTION projection.read_plain RENAME TO read_later")
    try:
        land(landing, build_row("items_empty", items=raw))
        assert keep(landing) == GS + "----i[]"
        assert (read(landing)["items"], read(landing)["avisos"]) == ([], ["item_ilegivel"])
    finally:
        landing.execute("ALTER FUNCTION projection.read_later RENAME TO read_plain")
    landing.execute("UPDATE public.pedidos SET items = %s, observacao = 'a' WHERE id = %s", [raw, KEY])
    assert keep(landing) == GS + digits(raw) + '[{"descricao": "a"}]'


def test_a_text_that_was_cleaned_is_known_and_its_like_is_not_taken_for_it(landing: Connection) -> None:
    """SGP sends all items with each change: four digits are not enough to take one text for another."""
    texts = (json.dumps([{"descricao": str(number)}]) for number in range(2**20))
    seen: dict[str, str] = {}
    first, second = next(
        (seen[digits(one)], one) for one in texts if seen.setdefault(digits(one), one) != one
    )
    land(landing, build_row("items_empty", items=first))
    kept = keep(landing)
    landing.execute("UPDATE public.pedidos SET items = %s, observacao = 'a' WHERE id = %s", [first, KEY])
    assert keep(landing) == kept
    landing.execute("UPDATE public.pedidos SET items = %s WHERE id = %s", [second, KEY])
    assert [item["descricao"] for item in read(landing)["items"]] == [json.loads(second)[0]["descricao"]]
    landing.execute("UPDATE public.pedidos SET items = NULL WHERE id = %s", [KEY])
    assert (keep(landing), read(landing)["items"]) == (None, [])


def test_without_the_digests_which_a_crash_takes_nothing_is_lost(landing: Connection) -> None:
    first, second = (json.dumps([{"descricao": name}]) for name in "ab")
    land(landing, build_row("items_empty", items=first))
    landing.execute("TRUNCATE projection.cleaned")
    kept = keep(landing)
    landing.execute("UPDATE public.pedidos SET items = %s, observacao = 'a' WHERE id = %s", [first, KEY])
    assert (keep(landing), read(landing)["observacao"]) == (kept, "a")
    landing.execute("TRUNCATE projection.cleaned")
    landing.execute("UPDATE public.pedidos SET items = %s WHERE id = %s", [second, KEY])
    assert read_kept(landing) == [{"descricao": "b"}]


def test_a_digest_is_no_answer_where_the_row_is_not_what_was_made_of_it(landing: Connection) -> None:
    """Somebody wrote the row by hand while nothing cleaned it: SGP's next change puts it right."""
    raw = json.dumps([{"descricao": "a"}])
    land(landing, build_row("items_empty", items=raw))
    landing.execute("ALTER TABLE public.pedidos DISABLE TRIGGER clean")
    landing.execute("UPDATE public.pedidos SET items = '[]' WHERE id = %s", [KEY])
    landing.execute("ALTER TABLE public.pedidos ENABLE ALWAYS TRIGGER clean")
    landing.execute("UPDATE public.pedidos SET items = %s, observacao = 'a' WHERE id = %s", [raw, KEY])
    assert read_kept(landing) == [{"descricao": "a"}]
    assert [item["descricao"] for item in read(landing)["items"]] == ["a"]


def test_of_an_order_that_is_gone_no_digest_is_kept(landing: Connection) -> None:
    written = f"[{FIRST}]"
    for key in (KEY, KEY + 1, KEY + 2, KEY + 3):
        land(landing, build_row("items_empty", id=key, items=written))
    landing.execute("DELETE FROM public.pedidos WHERE id = %s", [KEY])
    landing.execute("UPDATE public.pedidos SET id = id + 10, items = %s WHERE id = %s", [written, KEY + 1])
    assert ask(landing, HELD) == [KEY + 2, KEY + 3, KEY + 11]
    landing.execute("SELECT set_config('ponte.projects', 'guarded', false)")
    landing.execute("DELETE FROM public.pedidos WHERE id = %s", [KEY + 2])
    landing.execute("SELECT set_config('ponte.projects', '', false)")
    landing.execute("SELECT projection.reproject('public.pedidos')")
    assert ask(landing, HELD) == [KEY + 3, KEY + 11]

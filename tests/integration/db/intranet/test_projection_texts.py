"""Whatever text SGP holds: nothing raises, nothing takes long, and what leaves keeps the contract."""

from __future__ import annotations

import json
import random
import re

import pytest

from db.contract import ITEM_EXTRA_KEYS, Item, Status
from db.engines import Connection
from infra.devstack.seed import DIRT
from tests.integration.db.intranet.test_projection import ask

PIECES = (
    "NaN", "-Infinity", '"', "\\", "\\u0000", "\\ud800", "\\udc00", "[", "]", "{", "}", ":", ",,", "1e99999",
    "null", "'", "\x01", "ß", "🎉", '{"id":', '"imagem":"/pedidos/imagens/999999999999"',
    "data:image/png;base64,A",
)  # fmt: skip
TURNS = 1500


def mangle(rng: random.Random, text: str, other: str) -> str:
    """Cut, join, double or sprinkle."""
    start, end = sorted(rng.choices(range(len(text) + 1), k=2))
    match rng.randrange(5):
        case 0:
            return text[:end]
        case 1:
            return text[:start] + text[end:]
        case 2:
            return text[:end] + other[start:]
        case 3:
            return text[:start] + rng.choice(PIECES) + text[start:]
        case _:
            places = sorted(rng.choices(range(len(text) + 1), k=4))
            return "".join(
                text[a:b] + rng.choice(PIECES)
                for a, b in zip([0, *places], [*places, len(text)], strict=True)
            )


@pytest.mark.parametrize("seed", [1, 2])
def test_any_text_becomes_a_list_that_keeps_the_contract(landing: Connection, seed: int) -> None:
    rng = random.Random(seed)
    own = {*Item.model_fields, *ITEM_EXTRA_KEYS}
    texts = [str(case.overrides.get("items")) for case in DIRT]
    texts = [text for text in texts if text.startswith("[") and len(text) < 2000]
    texts.append('[{"imagem": "/pedidos/imagens/999999999999"}]')
    keys, told, filled = set[str](), set[str](), 0
    for text in [*texts, *(mangle(rng, rng.choice(texts), rng.choice(texts)) for _ in range(TURNS))]:
        # Taken apart here too: what raises there costs an order its list, without a word that tells.
        items, avisos, _ = landing.execute(
            "SELECT *, (SELECT count(element) FROM projection.split_elements(%(t)s))"
            " FROM projection.project_items(%(t)s, 7)",
            {"t": text},
        ).fetchone() or ((), (), 0)
        for item in items:
            Item.model_validate(item)
            assert set(item) <= own, text
            assert not re.search(r"\bdata:[a-z]+/", json.dumps(item, ensure_ascii=False)), text
        assert set(avisos) <= {"item_ilegivel"}, text  # the other word says that something raised
        keys |= {key for item in items for key in item}
        told |= set(avisos)
        filled += bool(items)
    assert keys >= {"id", "indice", "descricao", "especificacoes", "observacoes", "tecido"}, "never left"
    assert told == {"item_ilegivel"}
    assert filled > TURNS / 2, "most texts gave nothing"


BROKEN_ESCAPES = {
    r"\ud800 x": "\ufffd x",
    r"\udc00 x": "\ufffd x",
    r"\u0000 x": " x",
    r"\ud800\\": "\ufffd\\",
    r"\\\udc00": "\\\ufffd",
    r"\ud83c\udf89\udc00": "🎉\ufffd",
    r"\\ud800": "\\ud800",
}


@pytest.mark.parametrize("written", BROKEN_ESCAPES)
def test_a_text_full_of_broken_escapes_is_read_at_once(landing: Connection, written: str) -> None:
    """The session's statement time-out ends what looks back to the beginning for each of them."""
    items = '[{"descricao": "' + written * 30_000 + '", "largura": NaN}]'
    [item] = ask(landing, "SELECT items FROM projection.project_items(%s, 7)", items)
    assert item["descricao"] == (BROKEN_ESCAPES[written] * 30_000).strip()


@pytest.mark.parametrize("piece", ['"a",', "1,", '{"descricao": NaN},', '"a"'])
def test_a_broken_list_without_end_is_not_taken_apart(landing: Connection, piece: str) -> None:
    row = landing.execute("SELECT * FROM projection.project_items(%s, 7)", ["[" + piece * 50_000]).fetchone()
    assert row == ([], ["item_ilegivel"])


def test_the_scalar_functions_raise_nothing(landing: Connection) -> None:
    rng = random.Random(3)
    values = [str(v) for case in DIRT for k, v in case.overrides.items() if k != "items" and v is not None]
    values = [value for value in values if len(value) < 500]
    mangled = [mangle(rng, rng.choice(values), rng.choice(values)) for _ in range(TURNS)]
    doubled = [value[:1] + value for value in values]
    for text in [*values, *doubled, *mangled]:
        row = landing.execute(
            "SELECT projection.parse_money(%(t)s)::numeric(14, 2), projection.parse_date(%(t)s),"
            " projection.parse_status(%(t)s), projection.split_city(%(t)s)",
            {"t": text},
        ).fetchone()
        assert row is not None
        assert row[2] is None or Status(row[2])
        assert len(row[3]) == 2

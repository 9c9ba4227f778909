"""The worst that a text of SGP's can be: it costs its own order something, the others no more than a moment.

The sessions' statement time-out is the bound on time; what memory a server may take is measured by its peak.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.types.json import Jsonb

from db.contract import Pedido
from db.engines import Connection
from tests.fix_clusters import Servers
from tests.integration.db.intranet.test_projection import KEY, ask, build_row, land, read

MB = 2**20
ROW_MB = 3
"""No row of the window is larger."""
OWN_MB, TIMES = 160, 12
"""What a server takes at most: so much, and so often the row."""

HOSTILE: dict[str, tuple[str, Callable[[], str], set[str]]] = {
    "48 MB of one compatibility letter": ("observacao", lambda: "\ufdfa" * (16 * MB), {"texto_cortado"}),
    "12 MB of it in an item": (
        "items",
        lambda: json.dumps([{"descricao": "\ufdfa" * (4 * MB)}], ensure_ascii=False),
        {"texto_cortado"},
    ),
    "200,000 items": ("items", lambda: json.dumps([{"descricao": "x", "a": 1}] * 200_000), {"itens_demais"}),
    "20 MB of plain text": ("observacao", lambda: "palavras e mais " * (20 * MB // 16), {"texto_cortado"}),
    "20 MB of plain text in an item": (
        "items",
        lambda: json.dumps([{"descricao": "palavras e mais " * (20 * MB // 16)}]),
        {"texto_cortado"},
    ),
    "more than is read": ("items", lambda: json.dumps([{"imagem": "A" * (33 * MB)}]), {"itens_demais"}),
    "8 MB of photos": (
        "items",
        lambda: json.dumps([{"descricao": "x", "imagem": "data:image/png;base64," + "A" * (2 * MB)}] * 4),
        set(),
    ),
    "deep nesting": ("items", lambda: "[" * 200_000 + "]" * 200_000, {"item_ilegivel"}),
    "deep objects": ("items", lambda: '{"a":' * 30_000 + "1" + "}" * 30_000, {"item_ilegivel"}),
    "many keys": ("items", lambda: json.dumps([{f"k{key}": 1 for key in range(100_000)}]), set()),
    "numbers that are short to write": (
        "items",
        lambda: "[" + ",".join(['{"id":1e131000,"tecido":1e131000,"altura":1e-16000}'] * 5000) + "]",
        {"itens_demais"},
    ),
    "long numbers": (
        "items",
        lambda: "[" + ",".join('{"id":%s}' % ("9" * 100_000) for _ in range(100)) + "]",
        set(),
    ),
    "broken, with a million escapes": (
        "items",
        lambda: '[{"descricao":"' + "\\ud800 " * 1_000_000 + '"}',
        {"item_ilegivel"},
    ),
    "broken, and quotes alone": ("items", lambda: '["' + '\\"' * (2 * MB), {"item_ilegivel"}),
    "many texts, each as long as may be": (
        "items",
        lambda: json.dumps([{"descricao": "é" * 200_000}] * 20, ensure_ascii=False),
        {"itens_demais"},
    ),
    "an amount": ("valor_total", lambda: "1." * (2 * MB), {"valor_total_ilegivel"}),
    "a day": ("data_entrada", lambda: "2026-01-01 " + "x" * (4 * MB), {"data_entrada_ilegivel"}),
    "a status": ("status", lambda: "\ufdfa" * (4 * MB), {"status_desconhecido"}),
    "a city": ("cidade_cliente", lambda: " - a" * MB, {"texto_cortado"}),
    "blanks": ("numero", lambda: " " * (4 * MB), {"texto_cortado"}),
}


def read_peak_mb(conn: Connection) -> float:
    """Return the most memory that the server's process has had."""
    status = Path(f"/proc/{conn.info.backend_pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def bring(conn: Connection, found: dict[str, Any]) -> None:
    """Have a row arrive on the VPS."""
    row = {key: Jsonb(value) if key == "items" else value for key, value in found.items()}
    conn.execute(
        sql.SQL("INSERT INTO vitrine.pedidos ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(map(sql.Placeholder, row))
        ),
        row,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="only Linux tells a process's peak")
@pytest.mark.parametrize("case", HOSTILE)
def test_no_text_stops_the_road(
    servers: Servers, landing_database: str, arrival: Connection, case: str
) -> None:
    column, make, told = HOSTILE[case]
    text = make()
    with servers.connect("vitrine", landing_database) as conn, conn.transaction(force_rollback=True):
        conn.execute("SET LOCAL statement_timeout = '20s'")
        conn.execute("SELECT set_config('ponte.projects', 'freely', true)")  # as apply
        land(conn, build_row("status_penden") | {column: text})
        found = read(conn)
        taken_mb = read_peak_mb(conn)
        bytes_shown = ask(conn, "SELECT octet_length(p::text) FROM vitrine.pedidos AS p WHERE id = %s", KEY)
        alike = ask(conn, "SELECT count(*) FROM projection.find_unlike('public.pedidos', NULL, NULL)")
    text_mb = len(text.encode()) / MB
    assert set(found["avisos"]) == told
    assert Pedido.model_validate(found).id == KEY
    assert bytes_shown <= ROW_MB * MB
    assert alike == 0, "the proof sees another row than the trigger wrote"
    assert taken_mb <= OWN_MB + TIMES * text_mb
    bring(arrival, found)
    assert read_peak_mb(arrival) <= OWN_MB


def test_the_proof_and_the_trigger_agree_at_the_bounds(landing: Connection) -> None:
    """A letter more or less, written whole and changed alone, on the short way and on the long one."""
    for letters in (4095, 4096, 4097, 5000):
        text = "ã" * letters
        landing.execute("DELETE FROM public.pedidos")
        land(landing, build_row("status_penden") | {"numero": "1", "observacao": "n" * 262_000})
        landing.execute("UPDATE public.pedidos SET numero = %s", [text])
        found = read(landing)
        assert len(found["numero"]) == min(letters, 4096)
        assert ("texto_cortado" in found["avisos"]) is (letters > 4096)
        assert ask(landing, "SELECT count(*) FROM projection.find_unlike('public.pedidos', NULL, NULL)") == 0
        landing.execute(
            "UPDATE public.pedidos SET numero = '2', financeiro = NOT coalesce(financeiro, false)"
        )
        assert read(landing)["avisos"] == []


def test_a_name_that_no_index_holds_is_cut_and_arrives(servers: Servers, landing: Connection) -> None:
    """An entry of an index has 2.7 kB; what has more ended apply on the VPS, and all orders with it."""
    name = "".join(chr(0x4E00 + place * 37 % 20_000) for place in range(6000))
    landing.execute('INSERT INTO public."user" (id, username) VALUES (9, %s)', [name])
    shown = ask(landing, "SELECT username FROM vitrine.usuarios WHERE id = 9")
    assert shown == name[:500]
    with servers.clone("vps"), servers.connect("vps") as vps:
        vps.execute("SET session_replication_role = replica")
        vps.execute(
            "INSERT INTO vitrine.usuarios (id, username, is_admin, setor, is_active, versao)"
            " VALUES (9, %s, false, 'geral', true, 1)",
            [shown],
        )


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=True),
    st.text(max_size=30),
    st.sampled_from(["\ufdfa" * 5000, "data:" * 1000, "9" * 5000, "…" * 4096, "\ud800", "\x00"]),
)
KEYS = st.sampled_from(["id", "descricao", "observacao", "tecido", "altura", "imagem", "acabamento", "x"])
ITEMS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=ITEMS, cut=st.integers(min_value=0, max_value=40))
def test_any_list_lands_and_proves_equal(landing: Connection, items: object, cut: int) -> None:
    text = json.dumps(items)
    text = text[: len(text) - cut] if cut < 20 else text
    landing.execute("DELETE FROM public.pedidos")
    land(landing, build_row("status_penden") | {"items": text})
    found = read(landing)
    Pedido.model_validate(found)
    assert ask(landing, "SELECT count(*) FROM projection.find_unlike('public.pedidos', NULL, NULL)") == 0
    assert ask(landing, "SELECT count(*) FROM projection.dead_letters") == 0

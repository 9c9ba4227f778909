"""The statements: what is asked of the window, as SQL."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Select, make_url

from db.alchemy import URL
from db.contract import Status
from db.vps.models import SEARCHED_LETTERS
from vps_readapi.auth.queries import find_login
from vps_readapi.errors import ProblemError
from vps_readapi.pedidos import queries
from vps_readapi.pedidos.queries import DateMode, PedidoFilter, list_pedidos
from vps_readapi.pedidos.search import read_words
from vps_readapi.routes.pedidos import FilterQuery

pytestmark = pytest.mark.unit

DIALECT = make_url(URL).get_dialect()()


def write(statement: Select[Any]) -> tuple[str, dict[str, Any]]:
    compiled = statement.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})
    return " ".join(str(compiled).split()), dict(compiled.params)


def where(wanted: PedidoFilter) -> tuple[str, dict[str, Any]]:
    sql, parameters = write(list_pedidos(wanted))
    return sql.partition(" WHERE ")[2].partition(" ORDER BY ")[0], parameters


def test_the_whole_list_has_no_condition_and_the_newest_first() -> None:
    sql, _ = write(list_pedidos(PedidoFilter()))
    assert " WHERE " not in sql
    assert " LIMIT " not in sql
    assert sql.endswith("ORDER BY vitrine.pedidos.data_criacao DESC NULLS LAST, vitrine.pedidos.id DESC")


def test_pages_are_bound_values() -> None:
    sql, parameters = write(list_pedidos(PedidoFilter(), skip=10, limit=5))
    assert " LIMIT " in sql
    assert " OFFSET " in sql
    assert set(parameters.values()) >= {10, 5}


def test_a_clients_name_is_no_pattern() -> None:
    sql, parameters = where(PedidoFilter(cliente="10%_/'"))
    assert "'" not in sql.replace("'%%'", "").replace("'/'", "")
    assert set(parameters.values()) == {"10/%/_//'", SEARCHED_LETTERS}


@pytest.mark.parametrize(("part", "indexed"), [("an", 0), ("ana", 1)])
def test_a_client_is_found_through_the_index_that_all_texts_share(part: str, indexed: int) -> None:
    sql, _ = where(PedidoFilter(cliente=part))
    assert (sql.count("search_text("), sql.count("fold(")) == (indexed, 1)


def test_short_words_are_asked_with_one_folding() -> None:
    sql, parameters = where(PedidoFilter(busca="b a B á b% x_"))
    assert sql.count("search_text(") == 1
    assert "LIKE ALL" in sql
    assert list(parameters.values()) == [["%b\\%%", "%x\\_%", "%a%"]]


def test_words_are_looked_for_once_and_not_within_others() -> None:
    assert read_words("Ana  ana ÁNA anabela bela c\u0327 ´") == ["anabela", "c"]
    assert read_words(" ".join("ab" * 50)) == ["a", "b"]


def test_the_index_looks_for_long_words_and_beside_a_number_for_nothing_else() -> None:
    assert where(PedidoFilter(busca="agencia silva"))[0].count(" LIKE ") == 2
    assert "LIKE ALL" not in where(PedidoFilter(busca="agencia 0012"))[0]
    sql, parameters = where(PedidoFilter(busca="Agência 0000123456"))
    assert (sql.count("search_text("), sql.count("LIKE ALL")) == (2, 1)
    assert list(parameters.values()) == ["0000123456", ["%agencia%"]]


def test_a_search_of_many_words_is_refused_in_a_sentence() -> None:
    letters = [chr(ord("a") + n) for n in range(21)]
    assert FilterQuery(busca=" ".join(letters[:20] * 4)).to_filter().busca
    with pytest.raises(ProblemError, match="Palavras demais na busca; use até 20") as raised:
        FilterQuery(busca=" ".join(letters)).to_filter()
    assert raised.value.status == 422


def test_pendente_is_whatever_is_none_of_the_others() -> None:
    sql, parameters = where(PedidoFilter(status=Status.PENDENTE))
    assert "NOT IN" in sql
    assert set(parameters.values()) == {"em_producao", "pronto", "entregue", "cancelado"}
    assert where(PedidoFilter(status=Status.PRONTO))[1] == {"status_1": "pronto"}


@pytest.mark.parametrize(
    ("mode", "columns"),
    [
        (DateMode.ENTRADA, {"data_entrada"}),
        (DateMode.ENTREGA, {"data_entrega"}),
        (DateMode.QUALQUER, {"data_entrada", "data_entrega"}),
    ],
)
def test_a_period_includes_both_of_its_days(mode: DateMode, columns: set[str]) -> None:
    first, last = date(2026, 1, 1), date(2026, 1, 31)
    sql, parameters = where(PedidoFilter(date_mode=mode, first=first, last=last))
    assert {name for name in ("data_entrada", "data_entrega") if name in sql} == columns
    assert (sql.count(">="), sql.count("<="), sql.count(" OR ")) == (
        len(columns),
        len(columns),
        len(columns) - 1,
    )
    assert set(parameters.values()) == {first, last}


def test_nothing_but_the_window_is_read() -> None:
    statements = [
        list_pedidos(PedidoFilter()),
        queries.find_whole(),
        queries.list_photos([1]),
        find_login("admin"),
        queries.list_present([1]),
        queries.list_ids(5),
        queries.sum_pedidos(PedidoFilter(), time_zone="UTC"),
    ]
    assert all(re.findall(r"(?:FROM|JOIN) (?!vitrine\.)", write(one)[0]) == [] for one in statements)
    assert all("path" not in write(one)[0] for one in statements)

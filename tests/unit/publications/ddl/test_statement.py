"""What a catalog holds, on its way into a statement."""

from __future__ import annotations

import pytest

from publications.ddl.acts import SetPassword, print_act
from publications.ddl.roles import role_to_sql
from publications.ddl.statement import UnsafeSqlError, compose, given_sql, name_of
from publications.decide.changes.roles import RevokeGrants
from publications.decide.spec import GrantKind, GrantSpec

FINE = [
    "character varying",
    "numeric(10,2)[]",
    "(status <> ALL (ARRAY['a'::text, 'it''s; --'::text]))",
    "E'\\'; \\\\! x'",
    '"odd ; name"',
    "a - b / c",
    "(bytea, timestamp with time zone)",
]
UNSAFE = [
    "int); DROP TABLE x; --",
    "(int",
    "int)(",
    "int -- x",
    "int /* x",
    "'open",
    '"open',
    "\\! touch x",
    "'a\\'",
    "$$x$$",
    ":x",
    "'\x1b[2J'",
    "a\x00b",
]


@pytest.mark.parametrize("text", FINE)
def test_one_expression_passes_as_it_stands(text: str) -> None:
    assert given_sql(text).as_string(None) == text


@pytest.mark.parametrize("text", UNSAFE, ids=ascii)
def test_more_than_one_expression_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(UnsafeSqlError) as refused:
        given_sql(text)
    assert "\x1b" not in str(refused.value)


def test_lines_of_an_expression_become_one() -> None:
    assert given_sql("a\n\tAND b").as_string(None) == "a  AND b"


def test_names_and_texts_with_control_characters_are_written_with_escapes() -> None:
    assert name_of("a", 'b"\n\\').as_string(None) == 'U&"a".U&"b""\\+00000a\\\\"'
    assert compose("{}", "it's\n\\!").as_string(None) == "E'it''s\\U0000000a\\\\!'"
    assert compose("{}", "$wait$").as_string(None) == "E'\\u0024wait\\u0024'"


def test_a_function_whose_name_holds_sql_is_no_grant_of_ours() -> None:
    grant = GrantSpec("ponte_api", GrantKind.FUNCTION, "x.f(int); DROP TABLE y; --(integer)", "execute")
    with pytest.raises(UnsafeSqlError):
        role_to_sql(RevokeGrants("vps", (grant,)))


def test_a_role_whose_name_runs_a_command_gets_its_password_between_quotes() -> None:
    assert print_act(SetPassword("ponte_x"), at="vps") == ["\\password ponte_x"]
    assert print_act(SetPassword('`id` "x"'), at="vps") == ['\\password "`id` ""x"""']
    with pytest.raises(UnsafeSqlError):
        print_act(SetPassword("a\n\\! id"), at="vps")

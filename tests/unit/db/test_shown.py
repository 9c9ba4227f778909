"""What anybody's text looks like wherever it is shown."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.errors import PonteError
from db.logs import JsonLines
from db.metrics import MetricSpec
from db.shown import CONTROL, dump_json, show

BAD = "a\x1b[2J\x07\r\n\x9b\u202e\u2028\ufeff\ud800\U000e0041z"


def test_what_moves_a_cursor_or_ends_a_line_is_escaped() -> None:
    assert show(BAD) == r"a\u001b[2J\u0007\u000d\u000a\u009b\u202e\u2028\ufeff\ud800\U000e0041z"
    assert show("pedido nº 1 — ç 👩") == "pedido nº 1 — ç 👩"


@given(st.text())
def test_json_reads_back_as_the_same_and_moves_no_cursor(text: str) -> None:
    dumped = dump_json({"x": [text, BAD]})
    assert json.loads(dumped) == {"x": [text, BAD]}
    assert not CONTROL.search(dumped)


def test_an_error_is_two_lines_whatever_it_is_about() -> None:
    error = PonteError(f"role {BAD} holds more", f"drop {BAD}")
    fact, hint = str(error).split("\n")
    assert not CONTROL.search(fact + hint)


def test_a_line_of_the_log_is_one_line_and_plain() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "refused", (), None)
    record.fields = {"fact": BAD}
    line = JsonLines().format(record)
    assert not CONTROL.search(line)
    assert json.loads(line)["fact"] == BAD


def test_a_label_is_escaped() -> None:
    family = MetricSpec("ponte_x_rows", "x", ("slot",)).family([((BAD,), 1.0)])
    assert [sample.labels for sample in family.samples] == [{"slot": show(BAD)}]


@pytest.mark.parametrize("error", [PonteError("plain fact", "plain hint")])
def test_plain_words_stay(error: PonteError) -> None:
    assert (error.fact, error.hint) == ("plain fact", "plain hint")

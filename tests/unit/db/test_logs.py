"""What services write down: one shape, and never what an error quotes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import date, datetime

import pytest

from db.logs import PLACES, JsonLines, log_event, start_logging

LOGGER = logging.getLogger("tests.logs")


@pytest.fixture
def package() -> Iterator[logging.Logger]:
    """A package's logger, given back as it was."""
    logger = logging.getLogger("tests.logs_of_a_package")
    yield logger
    logger.handlers.clear()
    logger.propagate = True


def write(caplog: pytest.LogCaptureFixture) -> dict[str, object]:
    [record] = caplog.records
    line = JsonLines().format(record)
    assert "\n" not in line
    read: dict[str, object] = json.loads(line)
    return read


def test_an_event_is_one_object_with_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    log_event(LOGGER, "photo_postponed", level=logging.WARNING, imagem_id=7, on=date(2026, 1, 2), of="São")
    line = write(caplog)
    assert datetime.fromisoformat(str(line.pop("at"))).tzinfo is not None
    assert line == {
        "level": "warning",
        "logger": "tests.logs",
        "event": "photo_postponed",
        "imagem_id": 7,
        "on": "2026-01-02",
        "of": "São",
    }


def test_an_error_is_told_by_its_kind_and_places_not_by_its_text(caplog: pytest.LogCaptureFixture) -> None:
    def fail(depth: int) -> None:
        if not depth:
            raise ValueError("Cliente Secreto")
        fail(depth - 1)

    with pytest.raises(ValueError, match="Secreto") as caught:
        fail(PLACES + 3)
    LOGGER.error("look_failed", exc_info=caught.value)
    line = write(caplog)
    assert line["error"] == "ValueError"
    assert isinstance(line["trace"], list)
    assert len(line["trace"]) == PLACES
    assert line["trace"][-1].endswith(" fail")
    assert "Secreto" not in json.dumps(line)


def test_a_package_alone_speaks_when_it_is_named(
    package: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        start_logging(package=package.name)
    log_event(package.getChild("jobs"), "job_recovered", job="heartbeat")
    log_event(package, "hidden", level=logging.DEBUG)
    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "job_recovered"

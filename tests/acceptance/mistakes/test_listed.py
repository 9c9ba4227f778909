"""The mistakes that are tried are those that are listed: a row that is lost is noticed."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.mistakes import (
    test_databases,
    test_passfiles,
    test_servers,
    test_services,
    test_settings,
)

LEAST = 60
LISTED = Path(__file__).with_name("mistakes.txt").read_text(encoding="utf-8").splitlines()


def test_every_mistake_on_the_list_is_tried_and_no_other() -> None:
    tried = [
        *test_settings.TABLE,
        *test_databases.TABLE,
        *test_passfiles.TABLE,
        *test_servers.TABLE,
        *test_services.TABLE,
    ]
    assert sorted(tried) == LISTED
    assert len(set(LISTED)) == len(LISTED) >= LEAST


def test_every_program_has_mistakes() -> None:
    """The first word names it: a command of ponte's, a service, the dev stack."""
    programs = {name.split(",")[0].split()[0] for name in LISTED}
    commands = {"plan", "apply", "migrate", "status", "lag", "panel", "release"}
    assert commands | {"api", "ingest", "worker", "dev"} <= programs

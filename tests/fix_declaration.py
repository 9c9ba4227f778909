"""Which declaration a test's commands read: no command has one of its own."""

from __future__ import annotations

import pytest

from publications.declare.declaration import STARTING_PATH, VARIABLE


@pytest.fixture(autouse=True)
def _declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name the starting declaration, as a shop's environment names the shop's."""
    monkeypatch.setenv(VARIABLE, str(STARTING_PATH))

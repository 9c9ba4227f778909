"""Tests lie where their subject does: a stranger finds them without asking."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PACKAGES = frozenset(("db", "infra", "publications", "thumbnail_worker", "vps_readapi"))
KINDS = frozenset(("mistakes",))
"""Of what concerns every program."""


@pytest.mark.parametrize("tier", ["unit", "integration", "acceptance"])
def test_a_folder_of_tests_is_a_folder_of_the_packages(tier: str) -> None:
    top = ROOT / "tests" / tier
    folders = {path.parent.relative_to(top) for path in top.rglob("test_*.py")} - {Path()}
    assert len(folders) > 5
    assert {one.parts[0] for one in folders} <= PACKAGES | KINDS
    strays = [one for one in folders if one.parts[0] in PACKAGES and not (ROOT / one).is_dir()]
    assert strays == []

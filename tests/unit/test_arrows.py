"""What counts the arrows between rooms counts them rightly, and no arrow of ours runs up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.arrows import PACKAGES, count_code, find_arrows, find_upward


def test_rooms_without_a_circle_have_no_arrow_up() -> None:
    assert find_upward("abcd", {("a", "b"), ("b", "c"), ("a", "c"), ("d", "c")}) == set()


@pytest.mark.parametrize(
    "arrows", [{("a", "b"), ("b", "a")}, {("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")}]
)
def test_a_circle_has_one(arrows: set[tuple[str, str]]) -> None:
    assert len(find_upward("abcd", arrows)) == 1


def test_what_is_said_is_no_code(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        '"""Say\n\nmuch."""\n\n# more\nA = (\n    1,\n)\n\n\ndef f():\n    """Say."""\n    return A\n',
        "utf-8",
    )
    assert count_code(module) == 5


@pytest.mark.parametrize("package", PACKAGES)
def test_no_arrow_between_our_rooms_runs_up(package: str) -> None:
    rooms, arrows = find_arrows(package)
    assert rooms
    assert find_upward(rooms, arrows) == set()

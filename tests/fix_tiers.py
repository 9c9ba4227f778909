"""Each test belongs to the tier of its folder; those with a server whose version shops choose are marked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

TIERS = {
    "windows": "acceptance",
    "acceptance": "acceptance",
    "benchmarks": "acceptance",
    "integration": "integration",
    "migrations": "integration",
    "unit": "unit",
}
"""In the order in which they run: what takes long comes first, so that all workers end together."""
SERVERS = "bindirs"
"""The fixture that all of them begin with."""
VITRINE_ALONE = "landing"
"""Whose version is ours."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by folder and by fixtures; a test outside of the folders has no tier and stops the run."""
    for item in items:
        item.add_marker(TIERS[_folder(item)])
        if _depends_on_a_version(item):
            item.add_marker("server")
    order = list(TIERS)
    items.sort(key=lambda item: order.index(_folder(item)))


def _depends_on_a_version(item: pytest.Item) -> bool:
    needs = getattr(item, "fixturenames", ())
    return SERVERS in needs and VITRINE_ALONE not in needs and not item.get_closest_marker("any_version")


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]


def pytest_xdist_auto_num_workers() -> int:
    """Run three tests at a time for each core: more than half of a test's time is waiting."""
    return 3 * (os.cpu_count() or 1)

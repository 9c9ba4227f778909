"""Each test belongs to the tier of its folder; those with a server whose version shops choose are marked."""

from __future__ import annotations

from pathlib import Path

import pytest

TIERS = {
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
        needs = getattr(item, "fixturenames", ())
        if SERVERS in needs and VITRINE_ALONE not in needs:
            item.add_marker("server")
    order = list(TIERS)
    items.sort(key=lambda item: order.index(_folder(item)))


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]

"""Each test belongs to the tier of its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

TIERS = {
    "unit": "unit",
    "migrations": "integration",
    "integration": "integration",
    "acceptance": "acceptance",
    "benchmarks": "acceptance",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by folder; a test outside of the folders has no tier and stops the run."""
    here = Path(__file__).parent
    for item in items:
        folder = item.path.relative_to(here).parts[0]
        item.add_marker(TIERS[folder])

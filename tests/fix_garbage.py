"""Modules and tests are held to a run's end: to go through them for garbage takes a third of collecting."""

from __future__ import annotations

import gc

gc.disable()


def pytest_collection_finish() -> None:
    """Set aside what is there now, and look after what comes."""
    gc.collect()
    gc.freeze()
    gc.enable()

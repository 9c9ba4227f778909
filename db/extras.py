"""A program that is started without its extra says which one brings what it lacks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

PROJECT = "sgp-ponte"
OURS = ("db", "publications", "vps_readapi", "thumbnail_worker", "infra")
USAGE = 2


@contextmanager
def need(extra: str) -> Iterator[None]:
    """Run a block that needs an extra's packages; end the program with a sentence where one is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not package or package in OURS:
            raise
        sys.stderr.write(
            f"the Python package '{package}' is not installed\nHINT: pip install '{PROJECT}[{extra}]'\n"
        )
        raise SystemExit(USAGE) from None


def look_for(package: str) -> None:
    """Raise ModuleNotFoundError where a package is not installed; it is not loaded."""
    if find_spec(package) is None:
        raise ModuleNotFoundError(f"No module named '{package}'", name=package)

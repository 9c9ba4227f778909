"""What a test needs beside Python's packages: `need_tool`, and the skips where it is missing.

With PONTE_REQUIRE_TOOLS=1 a test fails that is skipped for a reason that does not begin as UNAVOIDABLE says.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from infra.tools.catalog import TOOLS

REQUIRE = "PONTE_REQUIRE_TOOLS"
UNAVOIDABLE = ("only root ", "only an ordinary user ", "only Windows ")
"""A run is either root's or not, and on one system; another one shows what this one can't."""

QUICKLY = [
    part for name in ("cacheprovider", "schemathesis", "hypothesispytest") for part in ("-p", f"no:{name}")
]
"""How a test runs a pytest of its own: without what costs seconds."""


def need_tool(name: str) -> Path:
    """Return a tool's program; skip the test where there is none, saying which command brings it."""
    found = TOOLS[name].find(os.environ)
    if found is None:
        pytest.skip(f"the tool '{name}' is missing: `make tools ARGS={name}` brings it")
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Have a test fail that is skipped where it need not be."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _are_required():
        reason = _read_reason(report)
        if not reason.startswith(UNAVOIDABLE):
            report.outcome = "failed"
            report.longrepr = f"skipped, and need not be: {reason}"
    return report


def _read_reason(report: pytest.TestReport) -> str:
    told = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return told.removeprefix("Skipped: ")


def _are_required() -> bool:
    return os.environ.get(REQUIRE) == "1"

"""What a test needs beside Python's packages: `need_tool`, and the skips where it is missing.

With PONTE_REQUIRE_TOOLS=1 a missing tool is a failure, and so is a run in which anything else was skipped for
a reason that does not begin as one of UNAVOIDABLE.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.tools.catalog import TOOLS

REQUIRE = "PONTE_REQUIRE_TOOLS"
UNAVOIDABLE = ("only root ", "only an ordinary user ", "only Windows ")
"""A run is either root's or not, and on one system; another one shows what this one can't."""


def need_tool(name: str) -> Path:
    """Return a tool's program; skip the test where there is none, saying which command brings it."""
    found = TOOLS[name].find(os.environ)
    if found is None:
        missing = f"the tool '{name}' is missing: `make tools ARGS={name}` brings it"
        if _are_required():
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    return found


def find_avoidable(reports: list[pytest.TestReport]) -> list[str]:
    """Return what was skipped although this machine could have run it."""
    told = [(report.nodeid, _read_reason(report)) for report in reports]
    return [f"{node}: {reason}" for node, reason in told if not reason.startswith(UNAVOIDABLE)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Have the run fail if something was skipped that need not be."""
    if _are_required() and session.exitstatus == pytest.ExitCode.OK and _list_avoidable(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name it."""
    if _are_required() and (avoidable := _list_avoidable(config)):
        terminalreporter.section("skipped, and need not be", red=True)
        for line in avoidable:
            terminalreporter.line(line)


def _list_avoidable(config: pytest.Config) -> list[str]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return find_avoidable(reporter.stats.get("skipped", [])) if reporter else []


def _read_reason(report: pytest.TestReport) -> str:
    told = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return told.removeprefix("Skipped: ")


def _are_required() -> bool:
    return os.environ.get(REQUIRE) == "1"

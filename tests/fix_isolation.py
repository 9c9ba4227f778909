"""A test that fails takes no other with it: what it shared is made anew, what it leaked is forgotten.

The mark `spoils` says so of a test that passes: what its module shares can't be used any more.
"""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Generator

import pytest

FAILED_IN = pytest.StashKey[set[str]]()
SETUPS_FAILED = pytest.StashKey[int]()
SETUP_TRIES = 2
"""How often a module's shared fixtures are tried; then its tests fail without waiting for them."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note in which phases a test failed."""
    report = yield
    if report.failed:
        item.stash.setdefault(FAILED_IN, set()).add(call.when)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Undo, after a failure, what a module's tests share; the next one finds it as if it were the first."""
    result = yield
    failed_in = item.stash.get(FAILED_IN, set())
    module = item.getparent(pytest.Module)
    if module is None or not (failed_in or item.get_closest_marker("spoils")):
        return result
    if "setup" in failed_in:
        module.stash[SETUPS_FAILED] = module.stash.get(SETUPS_FAILED, 0) + 1
    if module.stash.get(SETUPS_FAILED, 0) < SETUP_TRIES:
        _tear_down(item, module)
    _forget_leaks()
    return result


def _tear_down(item: pytest.Item, module: pytest.Module) -> None:
    """Tear the module down as if its last test had run; tell what goes wrong as the test's own error."""
    state = item.session._setupstate
    call = pytest.CallInfo.from_call(lambda: state.teardown_exact(module.parent), when="teardown")  # type: ignore[arg-type]
    if call.excinfo:
        report = item.ihook.pytest_runtest_makereport(item=item, call=call)
        item.ihook.pytest_runtest_logreport(report=report)


def _forget_leaks() -> None:
    """Let go of the failure's frames and the sockets in them, before another test must answer for them."""
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            delattr(sys, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()

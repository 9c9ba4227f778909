"""A test that fails takes no other with it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SHARED = """
import socket
import pytest

made = []

@pytest.fixture(scope="module")
def shared():
    made.append({})
    yield made[-1]
    assert "cannot be undone" not in made[-1]
"""


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process that has loaded nothing else, so that collecting its garbage takes no time."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def run(pytester: pytest.Pytester, tests: str) -> pytest.RunResult:
    pytester.makepyfile(SHARED + tests)
    return pytester.runpytest_subprocess("-p", "tests.fix_isolation", "-W", "error")


def test_what_a_failure_spoilt_is_made_anew(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def test_one(shared):
    shared["dirt"] = True

def test_two(shared):
    assert shared["dirt"] and not shared

def test_three(shared):
    assert (shared, len(made)) == ({}, 2)

def test_four(shared):
    assert len(made) == 2
""",
    )
    result.assert_outcomes(passed=3, failed=1)


def test_what_a_failure_leaked_is_no_fault_of_the_next_test(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def test_one(shared):
    leak = socket.socket()
    cycle = [leak]
    cycle.append(cycle)
    assert leak is None

def test_two():
    import gc
    gc.collect()
""",
    )
    result.assert_outcomes(passed=1, failed=1)


def test_what_a_passing_test_leaked_is_still_told(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_one():\n    socket.socket()\n")
    result.assert_outcomes(failed=1)


def test_an_end_that_fails_is_told_and_the_next_begins_anew(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def test_one(shared):
    shared["cannot be undone"] = True
    assert not shared

def test_two(shared):
    assert len(made) == 2
""",
    )
    result.assert_outcomes(passed=1, failed=1, errors=1)


def test_what_cannot_be_made_is_not_tried_for_each_test(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.fixture(scope="module")
def slow(shared):
    assert len(made) < 0

@pytest.mark.parametrize("number", range(4))
def test_it(slow, number):
    pass

def test_tries():
    assert len(made) == 2
""",
    )
    result.assert_outcomes(errors=4, passed=1)

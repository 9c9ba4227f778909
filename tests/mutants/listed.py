"""Faults of our own list, for SQL and for what needs a server: each is tried on a copy of the tree.

A fault is a place, the old text, the new text, what is suffered and the tests that must notice. The old text
must stand in its place exactly once: a list that has grown old is an error, not a survivor.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from time import monotonic

from tests.mutants.outcome import Fate, Outcome, UntestedError
from tests.mutants.tree import ROOT, copy_tree, environment

LISTS = Path(__file__).with_name("lists")
LONGEST_S = 240.0
"""For the tests of one fault, servers included."""
TESTS_FAILED = 1
"""Pytest's own exit code; all others but 0 mean that nothing was tested."""

Report = Callable[[Outcome], None]


class StaleListError(Exception):
    """The list names what is not there any more, or not once."""


@dataclass(frozen=True)
class Fault:
    """One small fault."""

    place: str
    old: str
    new: str
    suffers: str
    tests: tuple[str, ...]

    def apply(self, text: str) -> str:
        """Put it in. Raise StaleListError unless the old text stands there exactly once."""
        found = text.count(self.old)
        if found != 1 or self.old == self.new:
            raise StaleListError(f"{self.place}: found {found} times: {self.old!r}")
        return text.replace(self.old, self.new)


def read_faults(folder: Path = LISTS) -> list[Fault]:
    """Read every list. Raise StaleListError if a place, an old text or a file of tests is not there."""
    faults = [
        Fault(one["place"], one["old"], one["new"], one["suffers"], tuple(one["tests"]))
        for path in sorted(folder.glob("*.toml"))
        for one in tomllib.loads(path.read_text(encoding="utf-8"))["fault"]
    ]
    for fault in faults:
        missing = [name for name in (fault.place, *map(_file_of, fault.tests)) if not (ROOT / name).is_file()]
        if missing:
            raise StaleListError(f"{fault.place}: no such file: {', '.join(missing)}")
        fault.apply((ROOT / fault.place).read_text(encoding="utf-8"))
    return faults


def _file_of(test: str) -> str:
    return test.partition("::")[0]


def try_faults(
    faults: Sequence[Fault], folder: Path, *, workers: int, deadline: float, report: Report
) -> None:
    """Try each on a copy, several at a time. Raise UntestedError if the tests fail without any fault."""
    trees: SimpleQueue[Path] = SimpleQueue()
    for number in range(workers):
        trees.put(copy_tree(folder / f"tree{number}"))
    clean = trees.get()
    code = run_tests(clean, sorted({test for fault in faults for test in fault.tests}), longest_s=600.0)
    if code != 0:
        raise UntestedError(f"the tests of the list fail without any fault: pytest ended with {code}")
    trees.put(clean)
    said = threading.Lock()

    def try_one(fault: Fault) -> None:
        tree = trees.get()
        try:
            fate = Fate.NOT_RUN if monotonic() > deadline else try_fault(fault, tree)
        finally:
            trees.put(tree)
        with said:
            report(Outcome(fault.place, fault.suffers, fate))

    with ThreadPoolExecutor(workers) as threads:
        for _ in threads.map(try_one, faults):
            pass


def try_fault(fault: Fault, tree: Path) -> Fate:
    """Put one in, run its tests, take it out."""
    file = tree / fault.place
    before = file.read_text(encoding="utf-8")
    file.write_text(fault.apply(before), encoding="utf-8")
    try:
        code = run_tests(tree, fault.tests, longest_s=LONGEST_S)
    finally:
        file.write_text(before, encoding="utf-8")
    if code is None:
        return Fate.TIMEOUT
    if code not in {0, TESTS_FAILED}:
        raise UntestedError(f"{fault.place}: {fault.suffers}: pytest ended with {code}")
    return Fate.KILLED if code == TESTS_FAILED else Fate.SURVIVED


def run_tests(tree: Path, tests: Iterable[str], *, longest_s: float) -> int | None:
    """Run tests in a copy and return pytest's exit code; None if they did not end."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
    with (tree.parent / f"{tree.name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=tree, env=environment(tree), stdout=log, stderr=subprocess.STDOUT
        )
        try:
            return process.wait(longest_s)
        except subprocess.TimeoutExpired:
            process.terminate()  # so that the fixtures end their servers
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            return None

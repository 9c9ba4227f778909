"""mutmut on the pure modules: every operator, word and number of theirs, against their unit tests.

It forks a process for each mutant and chooses the tests that meet the function; so thousands take minutes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from tests.mutants.outcome import Fate, Outcome, UntestedError
from tests.mutants.tree import ROOT, copy_tree, environment

LIST = Path(__file__).with_name("pure.toml")
PACKAGES = ("db", "infra", "publications", "thumbnail_worker", "vps_readapi", "tests")
FATES = {0: Fate.SURVIVED, 33: Fate.SURVIVED, 24: Fate.TIMEOUT, 36: Fate.TIMEOUT, -24: Fate.TIMEOUT}
"""mutmut's exit codes: 33 is no test at all. Any other is a test that failed or could not even begin."""
SAY_EVERY_S = 15.0


@dataclass(frozen=True)
class Group:
    """Pure modules, and the unit tests that must notice."""

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Equivalent:
    """A change that nobody can see, by its place and its two lines."""

    place: str
    old: str
    new: str
    why: str


def read_list() -> tuple[list[Group], list[Equivalent]]:
    """Read what is to be tried. Raise FileNotFoundError if a module or a test is not there."""
    listed = tomllib.loads(LIST.read_text(encoding="utf-8"))
    groups = [Group(one["name"], tuple(one["modules"]), tuple(one["tests"])) for one in listed["group"]]
    for group in groups:
        for name in (*group.modules, *group.tests):
            if not (ROOT / name).is_file():
                raise FileNotFoundError(name)
    return groups, [Equivalent(**one) for one in listed.get("equivalent", ())]


def try_group(
    group: Group,
    equivalents: Sequence[Equivalent],
    folder: Path,
    *,
    workers: int,
    deadline: float,
    say: Callable[[str], None],
) -> list[Outcome]:
    """Let mutmut try a group on a copy of the tree, until the deadline."""
    tree = copy_tree(folder / group.name)
    (tree / "setup.cfg").write_text(_configure(group), encoding="utf-8")
    _run(tree, workers, deadline, lambda words: say(f"{group.name}: {words}"))
    codes = {
        name: (module, code)
        for module in group.modules
        for name, code in _read_codes(tree / "mutants" / f"{module}.meta").items()
    }
    fates = {
        name: Fate.NOT_RUN if code is None else FATES.get(code, Fate.KILLED)
        for name, (_, code) in codes.items()
    }
    shown = _show(tree, [name for name, fate in fates.items() if fate is Fate.SURVIVED])
    known = {(one.place, one.old, one.new) for one in equivalents}
    return [_describe(codes[name][0], name, fate, shown.get(name), known) for name, fate in fates.items()]


def _configure(group: Group) -> str:
    def lines(name: str, values: Sequence[str]) -> str:
        return f"{name} =\n" + "".join(f"    {value}\n" for value in values)

    return "[mutmut]\n" + "".join(
        (
            lines("source_paths", group.modules),
            lines("pytest_add_cli_args_test_selection", group.tests),
            lines("pytest_add_cli_args", ("-p", "no:schemathesis", "-p", "no:cacheprovider")),
            lines("also_copy", PACKAGES),
        )
    )


def _run(tree: Path, workers: int, deadline: float, say: Callable[[str], None]) -> None:
    """Run mutmut and tell how far it is. Raise UntestedError if it could not even begin."""
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(workers)]
    log = tree.parent / f"{tree.name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=tree, env=_own(tree), stdout=out, stderr=subprocess.STDOUT)
        while process.poll() is None and monotonic() < deadline:
            try:
                process.wait(SAY_EVERY_S)
            except subprocess.TimeoutExpired:
                say(_last_words(log))
        if process.poll() is None:
            process.terminate()
            process.wait(60)
            say("the time is over")
        elif not re.search(r"\d+/\d+", _last_words(log)):
            raise UntestedError(f"mutmut did not begin: {_last_words(log)}")


def _own(tree: Path) -> dict[str, str]:
    """mutmut imports the modules from a folder of its own below the copy, and puts it first itself."""
    return {name: value for name, value in environment(tree).items() if name != "PYTHONPATH"}


def _last_words(log: Path) -> str:
    words = re.split(r"[\r\n]+", log.read_text(encoding="utf-8", errors="replace").strip())
    return next((one for one in reversed(words) if re.search(r"\d+/\d+", one)), words[-1])[-200:]


def _read_codes(meta: Path) -> dict[str, int | None]:
    codes: dict[str, int | None] = json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
    return codes


def _describe(
    module: str,
    name: str,
    fate: Fate,
    lines: tuple[str, str] | None,
    equivalents: set[tuple[str, str, str]],
) -> Outcome:
    fault = name.rpartition(".")[2]
    if lines is None:
        return Outcome(module, fault, fate)
    old, new = lines
    return Outcome(
        module, f"{fault}: {old} -> {new}", Fate.EQUIVALENT if (module, old, new) in equivalents else fate
    )


_SHOW = """
import json, sys
from mutmut.mutation.diff_apply import get_diff_for_mutant
print(json.dumps({name: get_diff_for_mutant(name) for name in json.load(sys.stdin)}))
"""


def _show(tree: Path, names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the line that each mutant takes away, and the one that it puts there."""
    told = subprocess.run(
        [sys.executable, "-c", _SHOW],
        input=json.dumps(names),
        cwd=tree,
        env=_own(tree),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return {name: _read_lines(diff) for name, diff in json.loads(told).items()}


def _read_lines(diff: str) -> tuple[str, str]:
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    taken, put = (
        " ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in ("-", "+")
    )
    return taken, put

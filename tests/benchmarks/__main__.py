"""`make bench`: one object, a figure a key. Every module of this folder with `FIGURES` adds to it.

A figure is a function without arguments that returns a number; ratios are ours over the peer's, taken in
the same run, and names end in their unit where they have one.
"""

from __future__ import annotations

import argparse
import json
import pkgutil
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from rich.console import Console
from rich.progress import Progress

import tests.benchmarks
from tests.benchmarks.peers import MissingPeerError

Figure = Callable[[], float]

talk = Console(stderr=True, highlight=False)


def find_figures() -> dict[str, dict[str, Figure]]:
    """Return every figure of this folder by module and name. Raise ValueError if two share a name."""
    found: dict[str, dict[str, Figure]] = {}
    for module in pkgutil.iter_modules(tests.benchmarks.__path__):
        if module.ispkg or module.name.startswith("_"):
            continue
        figures: dict[str, Figure] = getattr(import_module(f"tests.benchmarks.{module.name}"), "FIGURES", {})
        if doubled := figures.keys() & _flatten(found).keys():
            raise ValueError(f"figures defined twice: {', '.join(sorted(doubled))}")
        found[module.name] = figures
    return found


def _flatten(by_module: dict[str, dict[str, Figure]]) -> dict[str, Figure]:
    return {name: figure for figures in by_module.values() for name, figure in figures.items()}


def measure(figures: dict[str, Figure]) -> dict[str, float]:
    """Take the figures one after the other, with a progress bar on stderr."""
    with Progress(console=talk, transient=True) as progress:
        task = progress.add_task("", total=len(figures))
        taken = {}
        for name, figure in figures.items():
            progress.update(task, description=name)
            try:
                taken[name] = round(figure(), 3)
            except MissingPeerError as error:
                talk.print(f"bench: {name}: {error}")
            progress.advance(task)
    return taken


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command: 0 measured, 2 an unknown figure."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure Ponte beside its peers.")
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", default=[], help="these alone: figures or modules"
    )
    arguments = parser.parse_args(argv)
    by_module = find_figures()
    figures = _flatten(by_module)
    if unknown := set(arguments.only) - figures.keys() - by_module.keys():
        talk.print(
            f"bench: unknown figures: {', '.join(sorted(unknown))}\nHINT: known: {', '.join(sorted(figures))}"
        )
        return 2
    asked = [one for name in arguments.only or figures for one in by_module.get(name, [name])]
    taken = measure({name: figures[name] for name in asked})
    print(json.dumps(taken, indent=2) if arguments.json else _table(taken))
    return 0


def _table(taken: dict[str, float]) -> str:
    width = max(map(len, taken), default=0)
    return "\n".join(f"{name:<{width}}  {value:g}" for name, value in taken.items())


if __name__ == "__main__":
    sys.exit(main())

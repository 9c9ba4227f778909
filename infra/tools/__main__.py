"""`python -m infra.tools [NAME …]`: bring the tools that tests need; done twice it does nothing."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from infra.tools.catalog import TOOLS
from infra.tools.make import OnlyRootError, ToolError, make
from infra.tools.tool import MadeTool, Tool

OK, FAILED, USAGE, PENDING = 0, 1, 2, 3


def main(argv: Sequence[str] | None = None, *, tools: Mapping[str, Tool] = TOOLS) -> int:
    """Make what is missing.

    Return 0 if all is there that this user can have, 1 if something failed, 3 if a tool that was asked for by
    name is one that root has to bring, or one that can't be had here.
    """
    parser = argparse.ArgumentParser(prog="tools", description="Bring the tools that tests need.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(tools)} (default: all)")
    named = parser.parse_args(argv).names
    if unknown := [name for name in named if name not in tools]:
        _say(f"there is no tool '{unknown[0]}'\nHINT: use one of {', '.join(tools)}")
        return USAGE
    results = {_bring(tools[name]) for name in _with_needs(named or list(tools), tools)}
    if FAILED in results:
        return FAILED
    return PENDING if named and PENDING in results else OK


def _with_needs(names: Sequence[str], tools: Mapping[str, Tool]) -> list[str]:
    """Put before each what it needs, unless it is there already."""
    ordered: dict[str, None] = {}
    for name in names:
        if tools[name].find(os.environ) is None:
            ordered |= dict.fromkeys(_with_needs(tools[name].needs, tools))
        ordered[name] = None
    return list(ordered)


def _bring(tool: Tool) -> int:
    if found := tool.find(os.environ):
        _say(f"{tool.name}: here, {found}")
        return OK
    if isinstance(tool, MadeTool) and tool.only_on not in {"", sys.platform}:
        _say(f"{tool.name}: not for this system ({tool.purpose})")
        return OK
    try:
        make(tool, os.environ, _say)
    except OnlyRootError as error:
        _say(str(error))
        return PENDING
    except (ToolError, LookupError, OSError) as error:
        _say(str(error))
        return PENDING if tool.optional else FAILED
    return OK


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

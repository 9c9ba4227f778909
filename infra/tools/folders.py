"""Where tools lie: in a declared folder, else in the machine's, which root fills, or in each user's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "PONTE_TOOLS_DIR"
MACHINE = Path("/var/cache/ponte-tools")


def own_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder that this user fills."""
    if declared := environ.get(VARIABLE):
        return Path(declared).absolute()
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "ponte" / "tools"
    if os.geteuid() == 0:
        return MACHINE
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ponte" / "tools"


def list_folders(environ: Mapping[str, str]) -> list[Path]:
    """Return the folders in which tools are looked for; root runs nothing that another user has made."""
    return list(dict.fromkeys([own_folder(environ), MACHINE]))

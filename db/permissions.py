"""Who may read a file that holds a secret. Windows keeps lists of rights, which are not looked at here."""

from __future__ import annotations

import stat
import sys
from pathlib import Path


def is_open_to_all(path: Path) -> bool:
    """Tell whether everybody on this machine may read a file: its own bits and its folder's count."""
    if sys.platform == "win32":
        return False
    return bool(path.stat().st_mode & stat.S_IROTH and path.parent.stat().st_mode & stat.S_IXOTH)


def is_open_for_libpq(path: Path) -> bool:
    """Tell whether libpq would pass over a passfile because its group or everybody has any right to it."""
    return sys.platform != "win32" and bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))

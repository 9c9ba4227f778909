"""Copies of the tree in which faults are put in: never the work tree itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def list_files() -> list[str]:
    """Return the files that belong to the tree, those that are not committed yet too."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return sorted(name for name in listed.stdout.splitlines() if (ROOT / name).is_file())


def copy_tree(target: Path) -> Path:
    """Copy the tree to a folder that is new."""
    for name in list_files():
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, file)
    return target


def fingerprint() -> str:
    """Tell this tree from every other: a result is of the tree that it was taken of."""
    digest = sha256()
    for name in list_files():
        if name.endswith((".py", ".sql", ".toml")):
            digest.update(name.encode() + b"\0" + (ROOT / name).read_bytes())
    return digest.hexdigest()


def environment(tree: Path) -> dict[str, str]:
    """Return the environment in which a copy's own modules are imported, and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return {**kept, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}

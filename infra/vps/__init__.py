"""What is installed on the VPS, as files; and how to read them."""

from __future__ import annotations

from importlib.resources import files


def read_assignments(name: str) -> dict[str, str]:
    """Return what a file of this folder assigns, by name. Raise FileNotFoundError if there is none."""
    lines = files(__package__).joinpath(name).read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line.strip() and not line.startswith("#"))
    return {left.strip(): right.strip() for left, _, right in pairs}

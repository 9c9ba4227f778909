"""What others would do, measured beside ours in the same run."""

from __future__ import annotations

from db.errors import PonteError


class MissingPeerError(PonteError):
    """What a figure is measured beside is not on this machine: there is no such figure."""

    def __init__(self, peer: str, hint: str) -> None:
        super().__init__(f"there is no {peer} here that can be measured beside", hint)

"""What can stop an installation."""

from __future__ import annotations

from db.errors import PonteError


class InstallError(PonteError):
    """A step could not be done; run again, the command goes on from it."""

"""What an installation makes at random, once: a folder of it that only the administrator reads."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from db.webhooks import PREFIX
from publications.install.machine import SECRET, OwnedFile

BYTES = 32


@dataclass(frozen=True)
class Secrets:
    """The folder that `ponte` itself reads, with PONTE_SECRETS_DIR; services get copies of what is theirs.

    kept: with False nothing is written, for who only wants to know what would be done.
    """

    folder: Path
    kept: bool = True
    _made: dict[str, str] = field(default_factory=dict, repr=False)

    def find(self, variable: str, *, whole: bool = False) -> str | None:
        """Return a secret that was taken in this run, or is there. whole: it is a text of several lines."""
        if variable in self._made:
            return self._made[variable]
        try:
            text = self._path(variable).read_text(encoding="utf-8")
        except OSError:
            return None
        return text if whole else text.strip()

    def take(self, variable: str, value: str) -> None:
        """Have a secret known for this run, before it has shown to be the right one."""
        self._made[variable] = value

    def once(self, variable: str) -> str:
        """Return a secret, made when it is first asked for."""
        found = self.find(variable)
        if found is None:
            self.keep(variable, found := secrets.token_urlsafe(BYTES))
        return found

    def once_webhook(self, variable: str) -> str:
        """Return one as Standard Webhooks has it, made when it is first asked for."""
        found = self.find(variable)
        if found is None:
            found = PREFIX + base64.b64encode(secrets.token_bytes(BYTES)).decode()
            self.keep(variable, found)
        return found

    def keep(self, variable: str, value: str, *, whole: bool = False) -> None:
        """Write one under its variable's name."""
        if self.kept:
            file = self.file(variable, value)
            (file.model_copy(update={"text": value}) if whole else file).write()
        self._made[variable] = value

    def file(self, variable: str, value: str) -> OwnedFile:
        """Return one as the file that it is to be."""
        return OwnedFile(path=self._path(variable), text=value + "\n", mode=SECRET)

    def _path(self, variable: str) -> Path:
        return self.folder / variable.lower()

"""How settings come in: from the environment, secrets also from files; nothing is read at import.

A secret named `PONTE_X` may stand in the file `ponte_x` of the folder that `PONTE_SECRETS_DIR` names.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from db.errors import SettingsError

PREFIX = "PONTE_"


def read_secret(name: str, environ: Mapping[str, str]) -> SecretStr | None:
    """Return one secret by its variable's name, from the environment or the secrets' folder."""
    if name in environ:
        return SecretStr(environ[name])
    folder = environ.get("PONTE_SECRETS_DIR")
    path = Path(folder, name.lower()) if folder else None
    if path is None or not path.is_file():
        return None
    return SecretStr(path.read_text(encoding="utf-8").strip())


class PonteSettings(BaseSettings):
    """The base of each process's frozen settings; a field `x` is the variable `PONTE_<prefix>X`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    @classmethod
    def load(cls) -> Self:
        """Read the environment and the secrets' folder. Raise SettingsError naming each bad variable."""
        folder = os.environ.get("PONTE_SECRETS_DIR")
        try:
            return cls(_secrets_dir=folder)
        except ValidationError as error:
            wrong = "; ".join(f"{cls._variable(e['loc'])}: {e['msg'].lower()}" for e in error.errors())
            raise SettingsError(
                f"settings are missing or wrong: {wrong}",
                "set them in the environment, secrets as files in PONTE_SECRETS_DIR",
            ) from None

    @classmethod
    def _variable(cls, place: Iterable[int | str]) -> str:
        """Name the variable of a field; an alias is a whole name already."""
        name = "_".join(map(str, place)).upper()
        return name if name.startswith(PREFIX) else f"{cls.model_config.get('env_prefix', '')}{name}"

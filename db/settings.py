"""How settings come in: from the environment, secrets also from files; nothing is read at import.

A secret named `PONTE_X` may stand in the file `ponte_x` of the folder that `PONTE_SECRETS_DIR` names.
"""

from __future__ import annotations

import os
from typing import Self

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from db.errors import SettingsError

PREFIX = "PONTE_"


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
            prefix = cls.model_config.get("env_prefix", "")
            wrong = "; ".join(
                f"{prefix}{'.'.join(map(str, e['loc']))}".upper() + f": {e['msg'].lower()}"
                for e in error.errors()
            )
            raise SettingsError(
                f"settings are missing or wrong: {wrong}",
                "set them in the environment, secrets as files in PONTE_SECRETS_DIR",
            ) from None

"""How settings come in: from the environment, secrets also from files; nothing is read at import.

A secret named `PONTE_X` may stand in the file `ponte_x` of the folder that `PONTE_SECRETS_DIR` names.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from db.credentials import CredentialKeys
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


def check_key_pair(key_id: str, info: ValidationInfo, *, current_id: str, key: str) -> str:
    """Return the id of a former key. Raise ValueError without its key, and for the current one's id."""
    given = info.data.get(key)
    if bool(key_id) != bool(given and given.get_secret_value()):
        raise ValueError("a former key and its id are given together or not at all")
    if key_id and key_id == info.data.get(current_id):
        raise ValueError("the former key has another id than the current one")
    return key_id


class CredentialSettings(PonteSettings):
    """What both ends know of the key that passwords are sealed with; while it changes, of both keys."""

    credential_key: SecretStr = Field(min_length=16, validation_alias=f"{PREFIX}CREDENTIAL_KEY")
    credential_key_id: str = Field("k1", min_length=1, validation_alias=f"{PREFIX}CREDENTIAL_KEY_ID")
    previous_credential_key: SecretStr = Field(
        SecretStr(""), validation_alias=f"{PREFIX}PREVIOUS_CREDENTIAL_KEY"
    )
    """The key before, as long as rows that were sealed with it may be left."""
    previous_credential_key_id: str = Field(
        "", validation_alias=f"{PREFIX}PREVIOUS_CREDENTIAL_KEY_ID", validate_default=True
    )

    @field_validator("previous_credential_key_id")
    @classmethod
    def _need_previous_key(cls, given: str, info: ValidationInfo) -> str:
        return check_key_pair(given, info, current_id="credential_key_id", key="previous_credential_key")

    def credential_keys(self) -> CredentialKeys:
        """Return the keys by their ids."""
        keys = {self.credential_key_id: self.credential_key.get_secret_value().encode()}
        if self.previous_credential_key_id:
            keys[self.previous_credential_key_id] = self.previous_credential_key.get_secret_value().encode()
        return CredentialKeys(self.credential_key_id, keys)

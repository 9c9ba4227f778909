"""How settings come in: from the environment, secrets also from files; nothing is read at import.

A secret named `PONTE_X` may stand in the file `ponte_x` of the folder that `PONTE_SECRETS_DIR` names.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from db.credentials import CredentialKeys
from db.errors import SettingsError, begin_low, word
from db.permissions import is_open_to_all


def split_words(value: object) -> object:
    """Part a text at commas and blanks."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_words)]
PREFIX = "PONTE_"
SECRETS_DIR = f"{PREFIX}SECRETS_DIR"


def read_secret(name: str, environ: Mapping[str, str]) -> SecretStr | None:
    """Return one secret by its variable's name, from the environment or the secrets' folder.

    Raise SettingsError as `read_secret_file`.
    """
    return SecretStr(environ[name]) if name in environ else read_secret_file(name, environ)


def read_secret_file(name: str, environ: Mapping[str, str]) -> SecretStr | None:
    """Return what the secrets' folder holds under a variable's name.

    Raise SettingsError for a folder or file that can't be read, or that everybody may read, and for a file
    that does not hold one line.
    """
    folder = find_secrets_folder(environ)
    path = folder / name.lower() if folder else None
    if path is None or not _is_there(path):
        return None
    return SecretStr(_read_line(path))


def find_secrets_folder(environ: Mapping[str, str]) -> Path | None:
    """Return the folder that PONTE_SECRETS_DIR names. Raise SettingsError if it can't be used."""
    given = environ.get(SECRETS_DIR)
    if not given:
        return None
    try:
        with os.scandir(given):
            return Path(given)
    except OSError as error:
        raise SettingsError(
            f"{SECRETS_DIR} names {given}: {word(error)}",
            "name the folder with this program's secrets, which its account may read",
        ) from error


def _is_there(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        path.lstat()
        return True
    return False


def _read_line(path: Path) -> str:
    """Return a file's one line without its end, and without the mark that Windows's editors put in front."""
    try:
        if path.is_file() and is_open_to_all(path):
            raise SettingsError(f"the secret {path} can be read by everybody", f"run: chmod o= {path}")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SettingsError(f"the secret {path} is not UTF-8", "write it anew as UTF-8 text") from None
    except OSError as error:
        hint = "make it a file that this program's account may read"
        raise SettingsError(f"the secret {path} can't be read: {word(error)}", hint) from error
    line = text.removesuffix("\n").removesuffix("\r")
    if not line or line.splitlines() != [line] or "\0" in line:
        what = "is empty" if not line.strip() else "holds more than one line"
        raise SettingsError(f"the secret {path} {what}", "write it in one line, and nothing else")
    return line


class PonteSettings(BaseSettings):
    """The base of each process's frozen settings; a field `x` is the variable `PONTE_<prefix>X`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    @classmethod
    def load(cls) -> Self:
        """Read the environment and the secrets' folder. Raise SettingsError naming each bad variable."""
        secrets = cls._read_secrets(os.environ)
        try:
            return cls(**secrets)
        except ValidationError as error:
            wrong = "; ".join(f"{cls._variable(e['loc'])}: {begin_low(e['msg'])}" for e in error.errors())
            raise SettingsError(
                f"settings are missing or wrong: {wrong}",
                f"set them in the environment, secrets as files in {SECRETS_DIR}",
            ) from None

    @classmethod
    def _read_secrets(cls, environ: Mapping[str, str]) -> dict[str, Any]:
        """Return what the folder holds of the settings that the environment leaves out, by field or alias."""
        ignored = cls.model_config.get("env_ignore_empty")
        found = {}
        for name, field in cls.model_fields.items():
            key = str(field.validation_alias or name)
            given = environ.get(variable := cls._variable([key]))
            if given is None or (ignored and not given):
                found[key] = read_secret_file(variable, environ)
        return {key: secret.get_secret_value() for key, secret in found.items() if secret is not None}

    @classmethod
    def _variable(cls, place: Iterable[int | str]) -> str:
        """Name the variable of a field; an alias is a whole name already."""
        name = "_".join(map(str, place)).upper()
        return name if name.startswith(PREFIX) else f"{cls.model_config.get('env_prefix', '')}{name}"


def parse_conninfo(conninfo: SecretStr) -> dict[str, str]:
    """Return a libpq connection string's keywords.

    Raise ValueError in our own words: libpq's quote a piece of the string, perhaps the password.
    """
    try:
        found = conninfo_to_dict(conninfo.get_secret_value())
    except ProgrammingError:
        raise ValueError("not a libpq connection string") from None
    return {key: str(value) for key, value in found.items()}


def _check_conninfo(conninfo: SecretStr) -> SecretStr:
    parse_conninfo(conninfo)
    return conninfo


Conninfo = Annotated[SecretStr, AfterValidator(_check_conninfo)]
"""libpq's connection string; an empty one means the `PG*` variables."""


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

"""What the ingest is told by its environment."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from db.settings import PREFIX, Conninfo, PonteSettings, split_words
from db.webhooks import read_webhook_secret
from vps_readapi.settings import MIN_KEY_BYTES

Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(split_words)]


class IngestSettings(PonteSettings):
    """The settings of the ingest; a field `x` is the variable `PONTE_INGEST_X`.

    With `key` and `media_dir` it takes miniaturas, with `dsn` it takes the push; either or both.
    """

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}INGEST_", populate_by_name=True)

    dsn: Conninfo | None = None
    """libpq's connection string of the role `ponte_push`."""
    key: SecretStr = Field(SecretStr(""), validate_default=True)
    """What the worker signs its uploads with."""
    media_dir: Path | None = Field(None, validate_default=True)
    """The folder of the miniaturas, the API's own."""
    host: str = "127.0.0.1"
    """An address of the tunnel's; never a public one."""
    port: int = Field(default=8081, ge=1, le=65535)
    max_bytes: int = Field(default=4 * 2**20, gt=0)
    """The largest miniatura that is taken."""
    previous_push_api_key: SecretStr = Field(SecretStr(""), validation_alias=f"{PREFIX}PREVIOUS_PUSH_API_KEY")
    """The key before, until every sender has the new one."""
    push_api_key: SecretStr = Field(
        SecretStr(""), validation_alias=f"{PREFIX}PUSH_API_KEY", validate_default=True
    )
    """What senders show in `x-api-key`."""
    previous_push_secret: SecretStr = Field(SecretStr(""), validation_alias=f"{PREFIX}PREVIOUS_PUSH_SECRET")
    push_secret: SecretStr = Field(
        SecretStr(""), validation_alias=f"{PREFIX}PUSH_SECRET", validate_default=True
    )
    """What pushes are signed with, as Standard Webhooks has it."""
    sgp_api_key: SecretStr = SecretStr("")
    """What today's SGP shows, which signs nothing; without it nothing unsigned is taken."""
    sgp_addresses: Networks = Field((), validate_default=True)
    """Where SGP may come from, addresses or networks."""
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=0, ge=0, le=65535)
    """Where Prometheus asks; 0 is nowhere."""

    @field_validator("key")
    @classmethod
    def _check_key(cls, given: SecretStr, info: ValidationInfo) -> SecretStr:
        if not given.get_secret_value() and info.data.get("dsn") is None:
            raise ValueError("Field required, or the DSN of the push")
        return _check_long(given)

    @field_validator("media_dir")
    @classmethod
    def _check_media_dir(cls, given: Path | None, info: ValidationInfo) -> Path | None:
        if given is None and info.data.get("key", SecretStr("")).get_secret_value():
            raise ValueError("Field required with the key of the uploads")
        if given is not None and not given.is_absolute():
            raise ValueError("Not an absolute path")
        return given

    @field_validator("push_api_key", "previous_push_api_key", "sgp_api_key")
    @classmethod
    def _check_api_key(cls, given: SecretStr, info: ValidationInfo) -> SecretStr:
        if info.field_name == "push_api_key" and not given.get_secret_value() and info.data.get("dsn"):
            raise ValueError("Field required with the DSN of the push")
        others = [info.data.get(name) for name in ("previous_push_api_key", "push_api_key")]
        if given.get_secret_value() and given in others:
            raise ValueError("It is the same as another key")
        return _check_long(given)

    @field_validator("push_secret", "previous_push_secret")
    @classmethod
    def _check_secret(cls, given: SecretStr, info: ValidationInfo) -> SecretStr:
        if given.get_secret_value():
            read_webhook_secret(given)
        elif info.field_name == "push_secret" and info.data.get("dsn"):
            raise ValueError("Field required with the DSN of the push")
        return given

    @field_validator("sgp_addresses")
    @classmethod
    def _need_addresses(
        cls, given: tuple[IPv4Network | IPv6Network, ...], info: ValidationInfo
    ) -> tuple[IPv4Network | IPv6Network, ...]:
        if not given and info.data.get("sgp_api_key", SecretStr("")).get_secret_value():
            raise ValueError("Needed with SGP's key: what is not signed is believed from there alone")
        return given

    def push_api_keys(self) -> list[bytes]:
        """Return the keys that are live."""
        return _live(self.push_api_key, self.previous_push_api_key)

    def push_secrets(self) -> list[bytes]:
        """Return the secrets that are live."""
        given = (self.push_secret, self.previous_push_secret)
        return [read_webhook_secret(one) for one in given if one.get_secret_value()]

    def sgp_api_keys(self) -> list[bytes]:
        """Return SGP's key, if it may push at all."""
        return _live(self.sgp_api_key)


def _check_long(given: SecretStr) -> SecretStr:
    if given.get_secret_value() and len(given.get_secret_value().encode()) < MIN_KEY_BYTES:
        raise ValueError(f"A key has at least {MIN_KEY_BYTES} bytes")
    return given


def _live(*keys: SecretStr) -> list[bytes]:
    return [one.get_secret_value().encode() for one in keys if one.get_secret_value()]

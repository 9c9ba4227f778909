"""What the read API is told by its environment."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from db.offline import DEFAULT_MAX_OFFLINE_H, MaxOfflineHours
from db.settings import PREFIX, Conninfo, CredentialSettings, Words, check_key_pair, split_words
from vps_readapi.live.settings import LiveSettings
from vps_readapi.pedidos.visibility import ANY

MIN_KEY_BYTES = 32
KEY_ID = r"^[A-Za-z0-9._-]{1,32}$"


def _check_key(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value().encode()) < MIN_KEY_BYTES:
        raise ValueError(f"A key has at least {MIN_KEY_BYTES} bytes")
    return key


def _check_network(given: str) -> str:
    return str(ip_network(given, strict=False))


def _check_time_zone(name: str) -> str:
    known = available_timezones()  # none where the system has no list of them, as on Windows
    if known and name not in known:
        raise ValueError("Not a time zone's name, such as America/Sao_Paulo")
    return name


Key = Annotated[SecretStr, AfterValidator(_check_key)]
Network = Annotated[str, AfterValidator(_check_network)]
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(split_words)]


class ApiSettings(LiveSettings, CredentialSettings):
    """The settings of one API process; a field `x` is the variable `PONTE_API_X`."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}API_", populate_by_name=True)

    dsn: Conninfo
    """libpq's connection string; an empty one means the `PG*` variables."""
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    proxies: Networks = ()
    """Addresses or networks of the proxies in front: what they say of where a request comes from counts."""
    token_key: Key
    """What session tokens are signed with; SGP's key is another one."""
    token_key_id: str = Field(default="t1", pattern=KEY_ID)
    previous_token_key: SecretStr = SecretStr("")
    """The key before, until the last token that was signed with it has ended."""
    previous_token_key_id: str = Field(default="", pattern=f"{KEY_ID}|^$", validate_default=True)
    sgp_token_key: SecretStr = SecretStr("")
    """SGP's own secret: a session of SGP's is then one here too, and who steals it is anybody in both."""
    auth_dsn: Conninfo
    """libpq's connection string of the role that counts failed logins and writes logouts."""
    auth_max_offline: MaxOfflineHours = DEFAULT_MAX_OFFLINE_H
    """After so many hours without word from the intranet nobody can log in any more."""
    money_setores: Words = (ANY,)
    """Setores that see amounts, parted by commas or blanks; `*` is all, and administrators always do."""
    phone_setores: Words = (ANY,)
    """Setores that see customers' telephone numbers."""
    credential_key: Key = Field(validation_alias=f"{PREFIX}CREDENTIAL_KEY")
    """What the worker sealed the passwords with; `PONTE_CREDENTIAL_KEY` on both ends."""
    public_url: str = Field(pattern=r"^https?://[^\s/?#]+[^\s?#]*$")
    """Where phones reach this API: the absolute base of `imagem_url`."""
    media_dir: Path | None = None
    """The folder of the miniaturas; without it no `imagem_url` is given out."""
    media_key: Key
    """What the links to miniaturas are signed with."""
    media_url: str = Field(default="", pattern=r"^(https?://[^\s/?#]+[^\s?#]*)?$")
    """A public address below which the miniaturas lie, such as a CDN's; phones are sent there."""
    s3_bucket_url: str = Field(default="", pattern=r"^(https?://[^\s/?#]+[^\s?#]*)?$")
    """The address of a private bucket that holds them; phones are sent there with a signature."""
    s3_region: str = "us-east-1"
    s3_access_key_id: str = Field(default="", validate_default=True)
    s3_secret_access_key: SecretStr = Field(default=SecretStr(""), validate_default=True)
    sgp_url: str = Field(default="", pattern=r"^(https?://[^\s/?#]+)?$")
    """Where SGP answers through the tunnel; without it no photo is had that has no miniatura."""
    originals_dir: Path = Field(default=Path(), validate_default=True)
    """The folder of fetched originals."""
    originals_mb: int = Field(default=256, ge=1)
    """How much of them is kept."""
    original_max_mb: int = Field(default=20, ge=1)
    """The largest original that is fetched."""
    original_seconds: float = Field(default=15.0, gt=0)
    """How long fetching one may take."""
    original_connections: int = Field(default=2, ge=1, le=16)
    """How many are fetched at the same time: more share a slow uplink, and none arrives in time."""
    time_zone: Annotated[str, AfterValidator(_check_time_zone)] = "America/Sao_Paulo"
    """The shop's: an order is late from the midnight after its day on."""
    cors_origins: Words = ("*",)
    """Origins that may read answers, parted by commas or blanks; `*` is any."""
    pool_size: int = Field(default=4, ge=1, le=100)
    token_days: int = Field(default=8, ge=1, le=366)
    login_concurrency: int = Field(default=1, ge=1, le=64)
    """How many passwords are checked at the same time: each takes a core for about 0.2 s."""
    processes: int = Field(default=1, ge=1, le=64)
    """How many processes answer on the one port."""
    cache_mb: int = Field(default=64, ge=1, le=65536)
    """How much each process keeps of single orders, in all their codings."""
    list_orders: int = Field(default=20_000, ge=0)
    """Up to so many orders each process keeps the whole list; beyond, it is read each time."""
    list_mb: int = Field(default=64, ge=1, le=65536)
    """Up to so much: its rows, which a list and its codings come from, take three to four times that."""
    max_connections: int = Field(default=1000, ge=10, le=100_000)
    """How many connections each process holds; strangers who do nothing give way to others."""
    max_address_connections: int = Field(default=200, ge=1, le=100_000)
    """How many of them may be one address's that is no proxy's."""
    max_streams: int = Field(default=500, ge=1)
    """How many event streams one process holds open."""
    max_user_streams: int = Field(default=10, ge=1)
    """How many of them may be one user's."""
    rate_per_s: float = Field(default=50.0, gt=0)
    """How many requests a second one user may send past the memory, to the database."""
    rate_burst: int = Field(default=100, ge=1)
    """How many he may send at once."""
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=0, ge=0, le=65535)
    """Where Prometheus asks; 0 is nowhere. Of several processes each takes the next port."""
    keep_alive_s: int = Field(default=65, ge=1, le=3600)
    """How long an idle connection is kept; longer than the proxy in front keeps it."""

    @field_validator("previous_token_key", "sgp_token_key")
    @classmethod
    def _check_optional_key(cls, given: SecretStr, info: ValidationInfo) -> SecretStr:
        if not given.get_secret_value():
            return given
        current = info.data.get("token_key")
        if current and current.get_secret_value() == given.get_secret_value():
            raise ValueError("It is the same key as the token key")
        return _check_key(given)

    @field_validator("previous_token_key_id")
    @classmethod
    def _need_previous_token_key(cls, given: str, info: ValidationInfo) -> str:
        return check_key_pair(given, info, current_id="token_key_id", key="previous_token_key")

    @field_validator("s3_access_key_id", "s3_secret_access_key")
    @classmethod
    def _need_key(cls, given: str | SecretStr, info: ValidationInfo) -> str | SecretStr:
        if info.data.get("s3_bucket_url") and not len(given):
            raise ValueError("Needed with a bucket")
        return given

    @field_validator("originals_dir")
    @classmethod
    def _need_folder(cls, given: Path, info: ValidationInfo) -> Path:
        if info.data.get("sgp_url") and not given.is_absolute():
            raise ValueError("An absolute path is needed with SGP's address")
        return given

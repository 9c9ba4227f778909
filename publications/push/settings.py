"""The push's settings: `PONTE_PUSH_…`."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from db.settings import PREFIX, Conninfo, PonteSettings
from db.webhooks import read_webhook_secret


class PushSettings(PonteSettings):
    """What the push needs to know beside the declaration."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}PUSH_", env_ignore_empty=True)

    url: str
    """Where the VPS takes pushes, such as https://vps.example:8443; its paths follow."""
    vitrine_dsn: Conninfo
    """Of the role that the declaration's export names."""
    api_key: SecretStr = Field(min_length=32)
    """Sent along; the VPS knows the same."""
    secret: SecretStr
    """`whsec_` and base64: what each request is signed with; the VPS knows the same."""
    poll_seconds: float = Field(0.001, ge=0.001, le=1)
    """Between two looks of the vitrine's server whether anything was written."""
    batch_bytes: int = Field(1_000_000, ge=10_000, le=8_000_000)
    """About so much goes in one request, unpacked; a larger transaction goes in parts."""
    answer_seconds: float = Field(20, gt=0, le=300)
    """After so long a request is given up, whatever has come of its answer."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, given: str) -> str:
        found = urlsplit(given)
        if found.scheme not in {"http", "https"} or not found.hostname or found.query or found.fragment:
            raise ValueError("not an address such as https://vps.example:8443")
        return given.rstrip("/")

    @field_validator("secret")
    @classmethod
    def _check_secret(cls, given: SecretStr) -> SecretStr:
        read_webhook_secret(given)
        return given

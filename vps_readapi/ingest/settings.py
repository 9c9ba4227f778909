"""What the ingest is told by its environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from db.settings import PREFIX, PonteSettings
from vps_readapi.settings import Key


def _check_absolute(given: Path) -> Path:
    if not given.is_absolute():
        raise ValueError("Not an absolute path")
    return given


class IngestSettings(PonteSettings):
    """The settings of the ingest; a field `x` is the variable `PONTE_INGEST_X`."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}INGEST_", populate_by_name=True)

    key: Key
    """What the worker signs its uploads with."""
    media_dir: Annotated[Path, AfterValidator(_check_absolute)]
    """The folder of the miniaturas, the API's own."""
    host: str = "127.0.0.1"
    """An address of the tunnel's; never a public one."""
    port: int = Field(default=8081, ge=1, le=65535)
    max_bytes: int = Field(default=4 * 2**20, gt=0)
    """The largest miniatura that is taken."""

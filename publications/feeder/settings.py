"""The feeder's settings: `PONTE_FEEDER_…`, and where SGP's file is."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from db.settings import PREFIX, Conninfo, PonteSettings
from db.sgp_file import VARIABLE


class FeederSettings(PonteSettings):
    """What the feeder needs to know beside the declaration."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}FEEDER_", env_ignore_empty=True)

    sgp_file: Path = Field(validation_alias=VARIABLE)
    """SGP's SQLite database."""
    vitrine_dsn: Conninfo
    """Of the role that the declaration's intake names."""
    poll_seconds: float = Field(0.125, ge=0.05, le=0.25)
    """Between two glances at the file from outside."""
    beat_seconds: float = Field(2.0, gt=0, le=10)
    """The file is read at least so often, and a beat sent, whether it seems to have changed or not."""

    @field_validator("sgp_file")
    @classmethod
    def _check_absolute(cls, given: Path) -> Path:
        if not given.is_absolute():
            raise ValueError("not an absolute path")
        return given

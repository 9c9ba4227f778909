"""The worker's settings: `PONTE_WORKER_…`, and the credential key that it shares with the VPS."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from db.settings import PREFIX, Conninfo, CredentialSettings
from db.sgp_file import VARIABLE as SGP_FILE


class StorageKind(StrEnum):
    """Where the miniaturas go."""

    FILESYSTEM = "filesystem"
    S3 = "s3"
    VPS = "vps"


def _check_absolute(given: Path) -> Path:
    if not given.is_absolute():
        raise ValueError("not an absolute path")
    return given


def _split_edges(given: object) -> object:
    return given.replace(",", " ").split() if isinstance(given, str) else given


def _check_edges(given: tuple[int, ...]) -> tuple[int, ...]:
    if not given or len(set(given)) != len(given) or not all(16 <= edge <= 8192 for edge in given):  # noqa: PLR2004
        raise ValueError("not a list of different sizes from 16 to 8192")
    return given


def _refuse_overlap(storage_dir: Path, media_root: Path) -> None:
    """Keep SGP's photos and ours apart: what Ponte deletes must never be SGP's."""
    ours, theirs = storage_dir.resolve(), media_root.resolve()
    if ours.is_relative_to(theirs) or theirs.is_relative_to(ours):
        raise ValueError("it may not lie in the folder of SGP's photos, nor they in it")


LongEdges = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_split_edges), AfterValidator(_check_edges)]
AbsolutePath = Annotated[Path, AfterValidator(_check_absolute)]


class WorkerSettings(CredentialSettings):
    """What one worker needs to know."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}WORKER_", env_ignore_empty=True)

    sgp_file: AbsolutePath | None = Field(None, validation_alias=SGP_FILE)
    """SGP's database where it is a SQLite file."""
    sgp_dsn: Conninfo = Field(SecretStr(""), validate_default=True)
    """SGP's database where it is on PostgreSQL."""
    vitrine_dsn: Conninfo
    media_root: AbsolutePath
    """SGP's own MEDIA_ROOT; `pedido_imagens.path` is relative to it."""
    beat_seconds: float = Field(2.0, gt=0)
    max_bytes: int = Field(40 * 1024 * 1024, gt=0)
    """The largest original that is read."""
    max_pixels: int = Field(89_478_485, gt=0)
    """The largest original that is decoded; Pillow's own limit, a quarter of a GiB at 3 bytes each."""
    renditions: LongEdges = (640,)
    """Long edges in pixels, in the order in which they are made; the first is announced."""
    processes: int = Field(2, ge=1, le=64)
    """How many photos are rendered at the same time, a process each."""
    render_seconds: float = Field(30.0, gt=0)
    """How long reading one photo may take, and then how long rendering it."""
    render_memory_mb: int = Field(1536, ge=512)
    """How much address space one rendering process may have; not on Windows."""
    metrics_port: int = Field(0, ge=0, le=65535)
    """Where Prometheus finds the worker's numbers, on the loopback address; 0 is nowhere."""
    storage: StorageKind
    storage_dir: Path = Field(Path(), validate_default=True)
    vps_url: str = Field("", pattern=r"^(https?://[^\s/?#]+)?$", validate_default=True)
    """The ingest's address on the VPS."""
    ingest_key: SecretStr = Field(
        SecretStr(""), validate_default=True, validation_alias=f"{PREFIX}INGEST_KEY"
    )
    """What uploads to the VPS are signed with; the same on both ends."""
    s3_endpoint_url: str = Field("", pattern=r"^(https?://[^\s/?#]+/?)?$")
    """Empty for Amazon's own."""
    s3_region: str = "us-east-1"
    s3_bucket: str = Field("", validate_default=True)
    s3_access_key_id: str = Field("", validate_default=True)
    s3_secret_access_key: SecretStr = Field(SecretStr(""), validate_default=True)

    @field_validator("storage_dir")
    @classmethod
    def _need_folder(cls, given: Path, info: ValidationInfo) -> Path:
        if info.data.get("storage") is StorageKind.FILESYSTEM and not given.is_absolute():
            raise ValueError("an absolute path is needed with storage 'filesystem'")
        if info.data.get("storage") is StorageKind.FILESYSTEM and "media_root" in info.data:
            _refuse_overlap(given, info.data["media_root"])
        return given

    @field_validator("sgp_dsn")
    @classmethod
    def _need_one_sgp(cls, given: SecretStr, info: ValidationInfo) -> SecretStr:
        if "sgp_file" in info.data and bool(info.data["sgp_file"]) == bool(len(given)):
            raise ValueError(f"needed unless {SGP_FILE} is set, and not with it")
        return given

    @field_validator("vps_url", "ingest_key")
    @classmethod
    def _need_vps(cls, given: str | SecretStr, info: ValidationInfo) -> str | SecretStr:
        if info.data.get("storage") is StorageKind.VPS and not len(given):
            raise ValueError("needed with storage 'vps'")
        return given

    @field_validator("s3_bucket", "s3_access_key_id", "s3_secret_access_key")
    @classmethod
    def _need_s3(cls, given: str | SecretStr, info: ValidationInfo) -> str | SecretStr:
        if info.data.get("storage") is StorageKind.S3 and not len(given):
            raise ValueError("needed with storage 's3'")
        return given

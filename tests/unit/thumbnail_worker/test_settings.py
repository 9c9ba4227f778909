"""The worker's settings: what must be there, what is refused, and that no secret shows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from db.errors import SettingsError
from thumbnail_worker.settings import StorageKind, WorkerSettings

pytestmark = pytest.mark.unit

KEY = "0123456789abcdef0123456789abcdef"
S3 = {
    "PONTE_WORKER_STORAGE": "s3",
    "PONTE_WORKER_S3_BUCKET": "fotos",
    "PONTE_WORKER_S3_ACCESS_KEY_ID": "id",
    "PONTE_WORKER_S3_SECRET_ACCESS_KEY": "hush",
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.upper().startswith("PONTE_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "PONTE_WORKER_SGP_DSN": "host=sgp dbname=sgp password=sesame",
        "PONTE_WORKER_VITRINE_DSN": "postgresql://ponte_worker@vitrine/vitrine",
        "PONTE_WORKER_MEDIA_ROOT": str(tmp_path / "sgp"),
        "PONTE_WORKER_STORAGE": "filesystem",
        "PONTE_WORKER_STORAGE_DIR": str(tmp_path / "miniaturas"),
        "PONTE_CREDENTIAL_KEY": KEY,
    }.items():
        monkeypatch.setenv(name, value)


def load_error() -> str:
    with pytest.raises(SettingsError) as caught:
        WorkerSettings.load()
    return str(caught.value)


def test_defaults() -> None:
    settings = WorkerSettings.load()
    assert settings.storage is StorageKind.FILESYSTEM
    assert settings.beat_seconds == 2.0
    assert settings.max_bytes == 40 * 1024 * 1024
    assert settings.credential_key.get_secret_value() == KEY
    assert settings.credential_key_id == "k1"


def test_key_id_is_shared_with_the_vps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONTE_CREDENTIAL_KEY_ID", "k2")
    assert WorkerSettings.load().credential_key_id == "k2"


def test_secrets_come_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ponte_credential_key").write_text("f" * 32 + "\n", encoding="utf-8")
    (tmp_path / "ponte_worker_sgp_dsn").write_text("dbname=other\n", encoding="utf-8")
    monkeypatch.setenv("PONTE_SECRETS_DIR", str(tmp_path))
    monkeypatch.delenv("PONTE_CREDENTIAL_KEY")
    monkeypatch.delenv("PONTE_WORKER_SGP_DSN")
    settings = WorkerSettings.load()
    assert settings.credential_key.get_secret_value() == "f" * 32
    assert settings.sgp_dsn.get_secret_value() == "dbname=other"


@pytest.mark.parametrize(
    "name",
    [
        "PONTE_WORKER_SGP_DSN",
        "PONTE_WORKER_VITRINE_DSN",
        "PONTE_WORKER_MEDIA_ROOT",
        "PONTE_WORKER_STORAGE",
        "PONTE_WORKER_STORAGE_DIR",
        "PONTE_CREDENTIAL_KEY",
    ],
)
@pytest.mark.parametrize("empty", [False, True])
def test_what_must_be_there(monkeypatch: pytest.MonkeyPatch, name: str, empty: bool) -> None:
    if empty:
        monkeypatch.setenv(name, "")
    else:
        monkeypatch.delenv(name)
    assert name in load_error()


@pytest.mark.parametrize("name", [name for name in S3 if name != "PONTE_WORKER_STORAGE"])
def test_what_s3_needs(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for other, value in S3.items():
        monkeypatch.setenv(other, value)
    assert WorkerSettings.load().storage is StorageKind.S3
    monkeypatch.delenv(name)
    assert f"{name}: value error, needed with storage 's3'" in load_error()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PONTE_WORKER_SGP_DSN", "hush hush"),
        ("PONTE_WORKER_VITRINE_DSN", "passwort=hush"),
        ("PONTE_WORKER_MEDIA_ROOT", "media"),
        ("PONTE_WORKER_STORAGE", "floppy"),
        ("PONTE_WORKER_STORAGE_DIR", "miniaturas"),
        ("PONTE_WORKER_BEAT_SECONDS", "0"),
        ("PONTE_WORKER_MAX_BYTES", "-1"),
        ("PONTE_WORKER_S3_ENDPOINT_URL", "s3.example.com"),
        ("PONTE_WORKER_S3_ENDPOINT_URL", "https://s3.example.com/fotos"),
        ("PONTE_CREDENTIAL_KEY", "hush"),
    ],
)
def test_what_is_refused_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    shown = load_error()
    assert name in shown
    assert "hush" not in shown


@pytest.mark.parametrize("ours", ["sgp", "sgp/miniaturas", "."])
def test_sgps_photos_and_ours_are_kept_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ours: str
) -> None:
    monkeypatch.setenv("PONTE_WORKER_STORAGE_DIR", str(tmp_path / ours))
    assert "it may not lie in the folder of SGP's photos, nor they in it" in load_error()
    monkeypatch.setenv("PONTE_WORKER_STORAGE_DIR", str(tmp_path / "sgp-miniaturas"))
    WorkerSettings.load()


def test_a_variable_is_named_as_one_types_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PONTE_WORKER_SGP_DSN")
    assert "PONTE_WORKER_SGP_DSN: value error, needed unless PONTE_SGP_FILE is set" in load_error()


def test_no_secret_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in S3.items():
        monkeypatch.setenv(name, value)
    shown = repr(WorkerSettings.load())
    assert not any(secret in shown for secret in ("sesame", KEY, "hush"))

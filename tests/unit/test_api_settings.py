"""The API's environment: which variables, what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from db.errors import SettingsError
from vps_readapi.server import _with_own_metrics
from vps_readapi.settings import ApiSettings

pytestmark = pytest.mark.unit

ENVIRONMENT = {
    "PONTE_API_DSN": "host=127.0.0.1 dbname=vps",
    "PONTE_API_TOKEN_KEY": "t" * 32,
    "PONTE_CREDENTIAL_KEY": "c" * 32,
    "PONTE_API_MEDIA_KEY": "m" * 32,
    "PONTE_API_PUBLIC_URL": "https://loja.example/api",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("PONTE_")]:
        monkeypatch.delenv(name)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def test_reads_the_environment() -> None:
    settings = ApiSettings.load()
    assert settings.credential_key.get_secret_value() == "c" * 32
    assert (settings.host, settings.port, settings.cors_origins) == ("127.0.0.1", 8080, ("*",))
    assert "t" * 32 not in repr(settings)
    assert "vps" not in repr(settings.dsn)


def test_reads_secrets_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PONTE_API_TOKEN_KEY", "PONTE_CREDENTIAL_KEY", "PONTE_API_MEDIA_KEY"):
        monkeypatch.delenv(name)
        (tmp_path / name.lower()).write_text("s" * 32)
    monkeypatch.setenv("PONTE_SECRETS_DIR", str(tmp_path))
    settings = ApiSettings.load()
    keys = (settings.token_key, settings.credential_key, settings.media_key)
    assert {key.get_secret_value() for key in keys} == {"s" * 32}


def test_origins_are_parted_by_commas_or_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONTE_API_CORS_ORIGINS", "https://a, https://b https://c")
    assert ApiSettings.load().cors_origins == ("https://a", "https://b", "https://c")


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_nothing_secret_or_local_has_a_default(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(SettingsError, match=name.removeprefix("PONTE_")):
        ApiSettings.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PONTE_API_TOKEN_KEY", "s3cr3t" * 5),
        ("PONTE_CREDENTIAL_KEY", "s3cr3t"),
        ("PONTE_API_MEDIA_KEY", ""),
        ("PONTE_API_DSN", "password=s3cr3t s3cr3t"),
        ("PONTE_API_PUBLIC_URL", "loja.example"),
        ("PONTE_API_PUBLIC_URL", "https://loja.example/?s3cr3t"),
        ("PONTE_API_PORT", "0"),
    ],
)
def test_what_is_wrong_is_named_but_not_shown(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name.removeprefix("PONTE_")) as caught:
        ApiSettings.load()
    assert "s3cr3t" not in str(caught.value)


def test_each_of_several_processes_has_numbers_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [_with_own_metrics(ApiSettings.load(), place).metrics_port for place in (0, 1)] == [0, 0]
    monkeypatch.setenv("PONTE_API_METRICS_PORT", "9500")
    assert [_with_own_metrics(ApiSettings.load(), place).metrics_port for place in (0, 1)] == [9500, 9501]

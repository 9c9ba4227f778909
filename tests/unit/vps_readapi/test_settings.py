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
    "PONTE_API_AUTH_DSN": "host=127.0.0.1 dbname=vps user=ponte_auth",
    "PONTE_API_TOKEN_KEY": "t" * 32,
    "PONTE_CREDENTIAL_KEY": "c" * 32,
    "PONTE_API_MEDIA_KEY": "m" * 32,
    "PONTE_API_PUBLIC_URL": "https://loja.example/api",
}


TURNED = {
    "PONTE_PREVIOUS_CREDENTIAL_KEY": "C" * 32,
    "PONTE_PREVIOUS_CREDENTIAL_KEY_ID": "k0",
    "PONTE_API_PREVIOUS_TOKEN_KEY": "T" * 32,
    "PONTE_API_PREVIOUS_TOKEN_KEY_ID": "t0",
    "PONTE_API_SGP_TOKEN_KEY": "g" * 32,
    "PONTE_AUTH_MAX_OFFLINE": "12.5",
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


def test_the_former_keys_and_sgps_are_read_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TURNED.items():
        monkeypatch.setenv(name, value)
    settings = ApiSettings.load()
    assert settings.credential_keys().by_id == {"k1": b"c" * 32, "k0": b"C" * 32}
    assert settings.previous_token_key.get_secret_value() == "T" * 32
    assert settings.auth_max_offline == 12.5
    assert not any(letter * 32 in repr(settings) for letter in "cCtTg")


def test_without_former_keys_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ApiSettings.load()
    assert settings.credential_keys().by_id == {"k1": b"c" * 32}
    assert (settings.auth_max_offline, settings.money_setores, settings.phone_setores) == (72, ("*",), ("*",))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PONTE_PREVIOUS_CREDENTIAL_KEY", ""),
        ("PONTE_PREVIOUS_CREDENTIAL_KEY_ID", ""),
        ("PONTE_PREVIOUS_CREDENTIAL_KEY_ID", "k1"),
        ("PONTE_API_PREVIOUS_TOKEN_KEY", ""),
        ("PONTE_API_PREVIOUS_TOKEN_KEY", "short"),
        ("PONTE_API_PREVIOUS_TOKEN_KEY", "t" * 32),
        ("PONTE_API_PREVIOUS_TOKEN_KEY_ID", ""),
        ("PONTE_API_PREVIOUS_TOKEN_KEY_ID", "t1"),
        ("PONTE_API_TOKEN_KEY_ID", "two words"),
        ("PONTE_API_SGP_TOKEN_KEY", "short"),
        ("PONTE_API_SGP_TOKEN_KEY", "t" * 32),
        ("PONTE_AUTH_MAX_OFFLINE", "0"),
        ("PONTE_AUTH_MAX_OFFLINE", "nan"),
    ],
)
def test_half_a_key_or_the_same_twice_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for given, text in (TURNED | {name: value}).items():
        monkeypatch.setenv(given, text)
    with pytest.raises(SettingsError, match="PONTE_"):
        ApiSettings.load()


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
        ("PONTE_API_TIME_ZONE", "Marte/Olimpo"),
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

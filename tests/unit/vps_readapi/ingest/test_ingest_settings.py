"""The ingest's settings: miniaturas, the push or both; each missing or weak piece is named."""

from __future__ import annotations

import base64

import pytest

from db.errors import SettingsError
from vps_readapi.ingest.settings import IngestSettings

pytestmark = pytest.mark.unit

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
MINIATURAS = {"PONTE_INGEST_KEY": "k" * 32, "PONTE_INGEST_MEDIA_DIR": "/var/lib/miniaturas"}
PUSH = {"PONTE_INGEST_DSN": "user=ponte_push", "PONTE_PUSH_API_KEY": "a" * 32, "PONTE_PUSH_SECRET": SECRET}
SGP = {"PONTE_INGEST_SGP_API_KEY": "g" * 32, "PONTE_INGEST_SGP_ADDRESSES": "192.0.2.7, 2001:db8::/32"}


def load(monkeypatch: pytest.MonkeyPatch, *given: dict[str, str]) -> IngestSettings:
    for one in given:
        for name, value in one.items():
            monkeypatch.setenv(name, value)
    return IngestSettings.load()


def test_it_takes_miniaturas_or_the_push_or_both(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as alone:
        uploads = load(alone, MINIATURAS)
    assert (uploads.dsn, uploads.push_secrets(), uploads.sgp_api_keys()) == (None, [], [])
    with monkeypatch.context() as alone:
        push = load(alone, PUSH)
    assert (push.media_dir, push.push_api_keys(), push.push_secrets()) == (None, [b"a" * 32], [b"s" * 32])
    both = load(monkeypatch, MINIATURAS, PUSH, SGP)
    assert [str(one) for one in both.sgp_addresses] == ["192.0.2.7/32", "2001:db8::/32"]


def test_an_empty_connection_string_means_libpqs_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, PUSH | {"PONTE_INGEST_DSN": ""}).dsn is not None


def test_two_keys_and_two_secrets_live_while_they_change(monkeypatch: pytest.MonkeyPatch) -> None:
    old = "whsec_" + base64.b64encode(b"o" * 32).decode()
    former = {"PONTE_PREVIOUS_PUSH_API_KEY": "b" * 32, "PONTE_PREVIOUS_PUSH_SECRET": old}
    settings = load(monkeypatch, PUSH, former)
    assert settings.push_api_keys() == [b"a" * 32, b"b" * 32]
    assert settings.push_secrets() == [b"s" * 32, b"o" * 32]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "PONTE_INGEST_KEY: value error, field required"),
        ({"PONTE_INGEST_KEY": "k" * 31}, "PONTE_INGEST_KEY: value error, a key has at least 32 bytes"),
        ({"PONTE_INGEST_KEY": "k" * 32}, "PONTE_INGEST_MEDIA_DIR"),
        (PUSH | {"PONTE_INGEST_DSN": "x"}, "PONTE_INGEST_DSN"),
        (PUSH | {"PONTE_PUSH_API_KEY": ""}, "PONTE_PUSH_API_KEY"),
        (PUSH | {"PONTE_PUSH_SECRET": ""}, "PONTE_PUSH_SECRET"),
        (PUSH | {"PONTE_PUSH_SECRET": "s" * 40}, "PONTE_PUSH_SECRET"),
        (PUSH | {"PONTE_PREVIOUS_PUSH_SECRET": "whsec_"}, "PONTE_PREVIOUS_PUSH_SECRET"),
        (PUSH | SGP | {"PONTE_INGEST_SGP_API_KEY": "a" * 32}, "PONTE_INGEST_SGP_API_KEY"),
        (PUSH | {"PONTE_INGEST_SGP_API_KEY": "g" * 32}, "PONTE_INGEST_SGP_ADDRESSES"),
        (PUSH | SGP | {"PONTE_INGEST_SGP_ADDRESSES": "192.0.2.7/24"}, "PONTE_INGEST_SGP_ADDRESSES"),
    ],
)
def test_what_is_missing_or_weak_is_named(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(monkeypatch, given)
    assert named in caught.value.fact
    assert not any(value in caught.value.fact for value in given.values() if len(value) > 20)

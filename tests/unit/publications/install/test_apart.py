"""What each service is given, and that no other can read it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from publications.install.given import panel_files, vps_files, worker_files
from publications.install.machine import OPEN, SECRET, OwnedFile
from tests.unit.publications.install.test_install import access

pytestmark = pytest.mark.unit

OF_THE_API = {"ponte_api_dsn", "ponte_api_auth_dsn", "ponte_api_token_key", "ponte_api_media_key"}


def read_secrets(files: list[OwnedFile]) -> dict[str, set[str]]:
    """Return the names of secret files by the account that may read them."""
    found: dict[str, set[str]] = defaultdict(set)
    for one in files:
        assert one.mode in {OPEN, SECRET, 0o600}, one.path
        if one.mode != OPEN:
            found[one.account].add(one.path.name)
    return dict(found)


def test_no_service_reads_anothers_secrets(tmp_path: Path) -> None:
    found = read_secrets(list(vps_files(access(tmp_path))))
    assert found["ponte-api"] >= OF_THE_API
    assert found["ponte-ingest"] == {"ponte_ingest_key"}
    assert found["ponte-postgres"] == {"sub_vps.pgpass"}
    assert set(found) == {"ponte-api", "ponte-ingest", "ponte-postgres", "ponte-ssh"}
    near = read_secrets([*worker_files(access(tmp_path)), *panel_files(access(tmp_path))])
    assert set(near) == {"ponte-worker", "ponte-panel"}
    assert not near["ponte-worker"] & near["ponte-panel"]


def test_nothing_that_everybody_may_read_holds_a_secret(tmp_path: Path) -> None:
    ours = access(tmp_path)
    files = [*vps_files(ours), *worker_files(ours), *panel_files(ours)]
    secret = {line for one in files if one.mode != OPEN for line in one.text.split() if len(line) >= 40}
    assert secret
    for one in files:
        if one.mode == OPEN:
            assert not [word for word in secret if word in one.text], one.path


def test_folders_of_secrets_are_no_two_services(tmp_path: Path) -> None:
    ours = access(tmp_path)
    whose: dict[Path, set[str]] = defaultdict(set)
    for one in [*vps_files(ours), *worker_files(ours), *panel_files(ours)]:
        if one.mode == SECRET:
            whose[one.path.parent].add(one.account)
    assert all(len(accounts) == 1 for accounts in whose.values())

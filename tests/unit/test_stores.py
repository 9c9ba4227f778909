"""Where the data of tests' clusters lies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import stores

pytestmark = pytest.mark.unit


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is taken for one in memory, with room for all that is asked."""
    monkeypatch.setattr(stores, "MEMORY", tmp_path)
    monkeypatch.setattr(stores, "ROOM_BYTES", 0)
    return tmp_path


def test_a_store_is_there_for_its_block_and_may_be_entered_by_others(memory: Path) -> None:
    with stores.open_store(Path("elsewhere")) as store:
        assert (store.parent, store.stat().st_mode & 0o777) == (memory, 0o755)
        (store / "data").touch()
    assert list(memory.iterdir()) == []


def test_where_there_is_too_little_memory_the_data_lies_where_it_lay(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "ROOM_BYTES", 1 << 60)
    with stores.open_store(memory / "disk") as store:
        assert store == memory / "disk"
    assert list(memory.iterdir()) == []


def test_a_system_without_such_a_place_keeps_them_on_its_disk(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "MEMORY", memory / "nowhere")
    with stores.open_store(memory) as store:
        assert store == memory


def test_what_a_killed_run_left_is_given_back_and_a_living_ones_is_not(memory: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = memory / f"{stores.PREFIX}{ended.pid}-a"
    living = memory / f"{stores.PREFIX}{os.getpid()}-b"
    other = memory / "pulse-shm-1"
    for folder in (left, living, other):
        folder.mkdir()
    with stores.open_store(memory):
        assert [one.exists() for one in (left, living, other)] == [False, True, True]

"""Files that appear whole or not at all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from db.whole import write_whole


def test_a_file_has_its_name_only_when_it_is_written(tmp_path: Path) -> None:
    target = tmp_path / "kept"
    target.write_text("before", encoding="utf-8")
    with write_whole(target) as file:
        file.write(b"after")
        file.flush()
        assert target.read_text(encoding="utf-8") == "before"
    assert target.read_text(encoding="utf-8") == "after"
    assert list(tmp_path.iterdir()) == [target]


def test_one_that_fails_leaves_what_was_there_and_nothing_beside_it(tmp_path: Path) -> None:
    target, incoming = tmp_path / "kept", tmp_path / "incoming"
    incoming.mkdir()
    target.write_text("before", encoding="utf-8")

    def fail() -> None:
        with write_whole(target, incoming=incoming) as file:
            file.write(b"half")
            assert len(list(incoming.iterdir())) == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert target.read_text(encoding="utf-8") == "before"
    assert list(incoming.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="only an ordinary user of a POSIX system has modes")
def test_a_secret_is_nobody_elses_from_its_first_byte_and_a_link_is_replaced(tmp_path: Path) -> None:
    elsewhere, target = tmp_path / "elsewhere", tmp_path / "secret"
    elsewhere.write_text("theirs", encoding="utf-8")
    target.symlink_to(elsewhere)
    with write_whole(target, mode=0o600) as file:
        [fresh] = tmp_path.glob("*.new")
        assert fresh.stat().st_mode & 0o777 == 0o600
        file.write(b"ours")
    assert not target.is_symlink()
    assert elsewhere.read_text(encoding="utf-8") == "theirs"

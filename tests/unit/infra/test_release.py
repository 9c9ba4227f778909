"""What is installed is pinned by its hash on every machine, and the bill of materials names it all."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from infra.release import LISTS, REQUIREMENTS, make_bill, read_pins

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FILES = (ROOT / "constraints.txt", *sorted(REQUIREMENTS.glob("*.txt")))
EXTRAS = {"intranet.txt": ("worker", "ops", "vitrine"), "vps.txt": ("api", "vitrine")}


def read_list(path: Path) -> dict[tuple[str, str], list[str]]:
    return read_pins(path.read_text(encoding="utf-8"))


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_line_pins_one_version_by_its_files_hashes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = re.findall(r"^[\w.-]+==", text, re.MULTILINE)
    found = read_list(path)
    assert len(found) == len(named) > 20
    assert all(found.values())
    line = re.compile(r"[\w.-]+==|    --hash=|$")
    assert [one for one in text.splitlines() if not line.match(one)] == []


def test_no_list_pins_another_version_than_the_one_that_is_tested() -> None:
    tested = {canonical(name): pinned for name, pinned in read_list(ROOT / "constraints.txt")}
    for path in FILES[1:]:
        others = {
            name: pinned
            for name, pinned in read_list(path)
            if canonical(name) in tested and tested[canonical(name)] != pinned
        }
        assert others == {}, path.name


@pytest.mark.parametrize("name", LISTS)
def test_a_list_holds_all_that_its_machine_needs_and_as_it_is_here(name: str) -> None:
    pinned = {canonical(library): one for library, one in read_list(REQUIREMENTS / name)}
    optional = PROJECT["project"]["optional-dependencies"]
    told = [*PROJECT["project"]["dependencies"], *(one for extra in EXTRAS[name] for one in optional[extra])]
    wanted = [one for one in map(Requirement, told) if one.marker is None or one.marker.evaluate()]
    assert {canonical(one.name) for one in wanted} <= set(pinned)
    for one in wanted:
        assert pinned[canonical(one.name)] == version(one.name), "the environment is not the pinned one"
        assert one.specifier.contains(pinned[canonical(one.name)])


def test_pip_takes_no_file_whose_hash_is_another(tmp_path: Path) -> None:
    """Without a network, too: a wheel of ours under a pinned name."""
    wheel = tmp_path / "falso-1.0-py3-none-any.whl"
    wheel.write_bytes(b"PK\x05\x06" + bytes(18))
    pins = tmp_path / "list.txt"
    pins.write_text(f"falso==1.0 \\\n    --hash=sha256:{'0' * 64}\n")
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--require-hashes", "--dry-run"]
    done = subprocess.run(
        [*command, "--find-links", str(tmp_path), "--requirement", str(pins)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr


def test_the_bill_names_all_that_is_installed_and_is_the_same_each_time() -> None:
    lists = [(REQUIREMENTS / name).read_text(encoding="utf-8") for name in LISTS]
    bill = make_bill(lists, name="sgp-ponte", version="0.1.0")
    assert bill == make_bill(lists, name="sgp-ponte", version="0.1.0")
    named = {(one["name"], one["version"]) for one in bill["components"]}
    assert named == {pin for text in lists for pin in read_pins(text)}
    assert all(one["hashes"] for one in bill["components"])
    assert len({one["bom-ref"] for one in bill["components"]}) == len(named)

"""Where the declaration is: where the shop says, by a flag or by the environment, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from publications.cli import main
from publications.declare.declaration import STARTING_PATH, VARIABLE

pytestmark = pytest.mark.unit

USAGE = 2


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each command end where it asks for its connections, which is after it read the declaration."""
    for name in ("PONTE_SGP_DSN", "PONTE_SECRETS_DIR", VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "loja.toml"
    path.write_bytes(STARTING_PATH.read_bytes())
    return path


COMMANDS = (
    ["migrate"],
    ["plan"],
    ["apply"],
    ["migrate-helper", "release", "pedidos.valor_frete"],
    ["migrate-helper", "restore"],
    ["status"],
    ["lag"],
    ["panel"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_command_reads_it_where_the_flag_says_before_or_after(
    command: list[str], file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(file.with_name("another.toml")))
    for argv in (["--declaration", str(file), *command], [*command, "--declaration", str(file)]):
        assert main(argv) == USAGE
        said = capsys.readouterr().err.splitlines()
        assert said[0] == f"declaration: {file}"
        assert said[1].startswith("ponte: not set: PONTE_")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_without_a_flag_the_environment_says(
    command: list[str], file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    monkeypatch.setenv(VARIABLE, file.name)
    assert main(command) == USAGE
    assert capsys.readouterr().err.splitlines()[0] == f"declaration: {file}"


@pytest.mark.parametrize("variable", [None, ""])
@pytest.mark.parametrize("command", [*COMMANDS, ["declaration"]], ids=" ".join)
def test_without_both_a_command_asks_for_it(
    command: list[str],
    variable: str | None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if variable is not None:
        monkeypatch.setenv(VARIABLE, variable)
    assert main(command) == USAGE
    said = capsys.readouterr()
    fact, hint = said.err.splitlines()
    assert (said.out, fact.startswith("ponte: no declaration is given")) == ("", True)
    assert hint.startswith("HINT: give --declaration FILE or set PONTE_DECLARATION; ")


def test_a_plugins_reader_is_not_told_which_it_is(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--nagios", "--declaration", str(file)]) == 3
    said = capsys.readouterr()
    assert said.out.startswith("PONTE UNKNOWN - not set: ")
    assert said.err == ""


def test_one_to_start_from_is_printed_and_saved_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["declaration", "--starting"]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == (STARTING_PATH.read_text(encoding="utf-8"), "")
    saved = tmp_path / "sgp.toml"
    saved.write_text(said.out, encoding="utf-8")
    assert main(["declaration", "--declaration", str(saved)]) == 0
    assert capsys.readouterr().out == said.out


def test_what_an_editor_of_windows_saves_is_read_or_refused_with_a_sentence(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = STARTING_PATH.read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8-sig")
    assert main(["plan", "--declaration", str(file)]) == USAGE
    assert "PONTE_SGP_DSN" in capsys.readouterr().err
    file.write_text(text, encoding="utf-16")
    assert main(["plan", "--declaration", str(file)]) == USAGE
    assert f"ponte: {file} is not UTF-8\nHINT: save it as UTF-8" in capsys.readouterr().err

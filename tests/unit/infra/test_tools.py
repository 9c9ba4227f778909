"""Tools are made once, step by step, and a test whose tool is missing says which command brings it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.tools.__main__ import main
from infra.tools.catalog import TOOLS
from infra.tools.folders import MACHINE, VARIABLE, list_folders
from infra.tools.tool import MadeTool, Step, SystemTool
from tests.fix_tools import QUICKLY

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).parents[3]
NOTE = "import sys; open(sys.argv[1], 'a').write(sys.argv[2])"


def note(text: str, *, then: str = "", timeout_s: float = 60) -> Step:
    return Step(f"noting {text}", [sys.executable, "-c", f"{NOTE}; {then}", "notes", text], timeout_s)


def tool(*steps: Step, name: str = "toy", needs: tuple[str, ...] = ()) -> MadeTool:
    return MadeTool(name, "1", "to play with", "notes", lambda _: steps, needs)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    return tmp_path


def bring(*tools: MadeTool | SystemTool, names: tuple[str, ...] = ()) -> int:
    return main(names, tools={one.name: one for one in tools})


def test_a_tool_is_made_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy = tool(note("a"), note("b"))
    assert bring(toy) == 0
    assert "toy: noting b (at most 60 s)" in capsys.readouterr().err
    assert bring(toy) == 0
    assert capsys.readouterr().err == f"toy: here, {folder / 'toy-1' / 'notes'}\n"
    assert (folder / "toy-1" / "notes").read_text() == "ab"


def test_a_tool_of_another_system_is_not_made(capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = MadeTool("toy", "1", "to play with", "notes", lambda _: [note("a")], only_on="plan9")
    assert bring(elsewhere) == 0
    assert capsys.readouterr().err == "toy: not for this system (to play with)\n"
    assert elsewhere.find(os.environ) is None


def test_another_version_is_another_tool(folder: Path) -> None:
    assert bring(tool(note("a"))) == 0
    later = MadeTool("toy", "2", "to play with", "notes", lambda _: [note("c")])
    assert later.find(os.environ) is None
    assert bring(later) == 0


def test_one_that_failed_goes_on_where_it_was(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bring(tool(note("a"), note("b", then="print('no disk'); sys.exit(4)"))) == 1
    told = capsys.readouterr().err
    assert "toy: 'noting b' ended with exit code 4\n  | no disk\nHINT: " in told
    assert tool().find(os.environ) is None
    assert bring(tool(note("a"), note("c"))) == 0
    assert (folder / "toy-1" / "notes").read_text() == "abc"


@pytest.mark.skipif(sys.platform == "win32", reason="only POSIX ends what a step has started")
def test_a_step_that_takes_too_long_is_ended_with_what_it_started(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    code = "import subprocess; subprocess.run(['sleep', '100'])"
    assert bring(tool(note("a", then=code, timeout_s=1))) == 1
    assert "took too long" in capsys.readouterr().err
    assert time.monotonic() - began < 60


def test_what_a_tool_needs_is_made_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tool(note("a"), name="first"), tool(note("b"), name="second", needs=("first",))
    assert bring(second, first, names=("second",)) == 0
    assert re.findall(r"(\w+): noting", capsys.readouterr().err) == ["first", "second"]


def test_one_failure_does_not_keep_the_others_away(folder: Path) -> None:
    broken = tool(note("a", then="sys.exit(1)"), name="broken")
    assert bring(broken, tool(note("b"))) == 1
    assert (folder / "toy-1").is_dir()


@pytest.mark.skipif(
    hasattr(os, "geteuid") and os.geteuid() == 0, reason="only an ordinary user has to ask root"
)
def test_what_only_root_can_bring_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    browser = SystemTool("browser", "to look at pages", "no-such-browser", "chromium")
    assert bring(browser) == 0
    told = capsys.readouterr().err
    assert told.startswith(
        "browser: only root can bring it (to look at pages)\nHINT: `apt-get install chromium`"
    )
    assert bring(browser, names=("browser",)) == 3


def test_an_unknown_tool_is_a_mistake_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert bring(tool(), names=("hammer",)) == 2
    assert "HINT: use one of toy" in capsys.readouterr().err


def test_users_find_what_root_has_made_for_the_machine() -> None:
    assert list_folders({})[-1] == MACHINE
    assert list_folders({VARIABLE: "/x"}) == [Path("/x"), MACHINE]


def test_tests_ask_for_tools_that_there_are() -> None:
    files = [path for path in (REPOSITORY / "tests").rglob("*.py") if path != Path(__file__)]
    asked = {name for path in files for name in re.findall(r'need_tool\("(\w+)"\)', path.read_text())}
    assert asked <= set(TOOLS)
    assert asked >= {"s3", "client", "chromium", "promtool"}


SKIPPING = """
import os, pytest
from tests.fix_tools import need_tool
def test_with_a_tool():
    need_tool("s3")
def test_by_itself():
    pytest.skip("somebody was lazy")
def test_of_root():
    pytest.skip("only root has it")
"""


@pytest.mark.parametrize(("required", "outcome"), [("0", "3 skipped"), ("1", "2 failed, 1 skipped")])
def test_a_missing_tool_is_named_and_where_tools_are_required_it_fails(
    required: str, outcome: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "test_x.py").write_text(SKIPPING)
    (folder / "conftest.py").write_text(
        "import infra.tools.tool\ninfra.tools.tool.list_folders = lambda _: []\n"
        "pytest_plugins = ['tests.fix_tools']\n"
    )
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-ra", *QUICKLY, "test_x.py"],
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(REPOSITORY), "PONTE_REQUIRE_TOOLS": required},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{outcome} in" in done.stdout
    assert "the tool 's3' is missing: `make tools ARGS=s3` brings it" in done.stdout

"""A program without its extra ends with a sentence; what is broken otherwise is not hidden by it."""

from __future__ import annotations

from importlib import import_module

import pytest

from db.extras import USAGE, need

pytestmark = pytest.mark.unit


def test_a_missing_package_ends_the_program_with_the_extra_that_brings_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended, need("api"):
        import_module("nowhere.to.be.found")
    assert ended.value.code == USAGE
    assert capsys.readouterr().err == (
        "the Python package 'nowhere' is not installed\nHINT: pip install 'sgp-ponte[api]'\n"
    )


@pytest.mark.parametrize("module", ["db.nothing", "vps_readapi.nothing"])
def test_a_module_of_our_own_that_is_missing_is_a_fault_and_not_an_extra(module: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=module), need("api"):
        import_module(module)


def test_what_an_import_says_otherwise_is_not_hidden() -> None:
    with pytest.raises(ImportError, match="too old"), need("api"):
        raise ImportError("too old")

"""What a program loads as it starts: each start, and each MB on a small VPS, is paid by shops as by tests."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from db.loading import loading

pytestmark = pytest.mark.unit

LOADED = {
    "publications.feeder.__main__": {"alembic", "sqlalchemy"},
    "publications.commands.push": {"alembic", "sqlalchemy"},
    "publications.commands.watch": {"alembic", "sqlalchemy"},
    "thumbnail_worker.photos.renderer": {"psycopg", "pydantic", "sqlalchemy"},
    "vps_readapi.server": {"fastapi", "sqlalchemy"},
    "vps_readapi.serving": {"alembic", "httpx"},
}


@pytest.mark.parametrize("module", LOADED)
def test_a_program_loads_nothing_large_that_it_does_not_use(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert LOADED[module] & set(done.stdout.split()) == set()


def test_while_a_program_loads_no_garbage_is_looked_for_and_afterwards_it_is() -> None:
    code = (
        "import gc; from db.loading import loading\n"
        "with loading(): print(gc.isenabled())\n"
        "print(gc.isenabled(), gc.get_freeze_count() > 1000)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True"]


def test_whoever_has_switched_it_off_is_not_overruled() -> None:
    gc.disable()
    try:
        before = gc.get_freeze_count()
        with loading():
            assert not gc.isenabled()
        assert (gc.isenabled(), gc.get_freeze_count()) == (False, before)
    finally:
        gc.enable()

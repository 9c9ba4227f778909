"""Modules stay to a program's end: to look for garbage among them takes a quarter of an API's start."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Look for no garbage in a block of imports, and later not among what it brought."""
    if not gc.isenabled():  # whoever imports a program, such as a test, has seen to it
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

"""Which event loop runs things: psycopg needs a selector's, which Windows has only on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


def find_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return uvloop's loop where there is one; it does not exist for Windows."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return asyncio.SelectorEventLoop
    return uvloop.new_event_loop

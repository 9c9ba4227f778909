"""What is asked once a request, whoever asks first: the state that the server gives to each remembers it."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from vps_readapi.memory.bodies import Body
from vps_readapi.memory.memory import Memory

State = MutableMapping[str, Any]
"""A request's own, of its scope."""

CONFIRMED = "confirmed"
"""Whether all that was visible before the request came is known; the short way may have found out."""


READ = "read"
"""What the short way has read, if it has."""


@dataclass(frozen=True)
class Read:
    """An order that was read for a request, or found missing, or could not be read."""

    done: asyncio.Future[Body | None]
    cursor: str
    """One that is not newer than what was read."""


async def is_confirmed(state: State, memory: Memory) -> bool:
    """Tell whether the memory knows all that was visible before the request came."""
    if CONFIRMED not in state:
        state[CONFIRMED] = await memory.feed.confirmed()
    read = state.get(READ)
    state["cursor"] = read.cursor if read else memory.clock.cursor  # what is read from here on is not older
    known: bool = state[CONFIRMED]
    return known

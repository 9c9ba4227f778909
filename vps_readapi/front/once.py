"""What is asked once a request, whoever asks first: the state that the server gives to each remembers it."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from vps_readapi.memory.memory import Memory

State = MutableMapping[str, Any]
"""A request's own, of its scope."""

CONFIRMED = "confirmed"
"""Whether all that was visible before the request came is known; the short way may have found out."""


async def is_confirmed(state: State, memory: Memory) -> bool:
    """Tell whether the memory knows all that was visible before the request came."""
    if CONFIRMED not in state:
        state[CONFIRMED] = await memory.feed.confirmed()
    state["cursor"] = memory.clock.cursor  # what is read from here on is not older
    known: bool = state[CONFIRMED]
    return known

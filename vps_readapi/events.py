"""Server-Sent Events: which orders changed, to however many clients, from the process's one feed.

An event is encoded once and waits in each client's own short queue. A client that does not keep up loses
its queue and gets the difference from the database instead, so it costs the others nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field

from vps_readapi.auth.tokens import Verified
from vps_readapi.database import Database
from vps_readapi.memory.memory import Memory
from vps_readapi.memory.sql import Changes
from vps_readapi.pedidos.difference import Difference, read_difference

PULSE_S = 15.0
MAX_QUEUED = 64


@dataclass(eq=False)
class Stream:
    """One client: what waits for it, and up to where it has everything."""

    token: Verified
    cursor: str
    queue: deque[tuple[str, bytes]] = field(default_factory=deque)
    behind: bool = False
    """The queue was given up; the difference since `cursor` is owed."""
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def push(self, cursor: str, frame: bytes) -> None:
        """Queue one event."""
        if len(self.queue) >= MAX_QUEUED:
            self.queue.clear()
            self.behind = True
        if not self.behind:
            self.queue.append((cursor, frame))
        self.woken.set()


class FullError(Exception):
    """There are as many streams as one process holds."""


class UserFullError(FullError):
    """There are as many of one user as he may hold."""


class Events:
    """The open streams of one process, of which one user may hold `max_of_user`."""

    def __init__(self, memory: Memory, database: Database, *, max_streams: int, max_of_user: int) -> None:
        self._memory = memory
        self._database = database
        self._max_streams = max_streams
        self._max_of_user = max_of_user
        self._streams: set[Stream] = set()
        self._closed = False
        memory.observers.append(self._publish)
        memory.early_observers.append(self._publish_early)
        memory.people_observers.append(self._wake)

    @property
    def open(self) -> int:
        """Return how many streams there are."""
        return len(self._streams)

    def close(self) -> None:
        """End every stream after what waits for it."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        """Have every stream look whether it may go on."""
        for stream in self._streams:
            stream.woken.set()

    def join(self, token: Verified, *, since: str) -> Stream:
        """Take a place for a client, which must `leave` it. Raise FullError or UserFullError if none is left.

        since: the client's last event id; empty to begin with what changes from now on.
        """
        if self._closed or len(self._streams) >= self._max_streams:
            raise FullError
        user_id = token.claims.user_id
        if sum(one.token.claims.user_id == user_id for one in self._streams) >= self._max_of_user:
            raise UserFullError
        stream = Stream(token, since or self._memory.clock.cursor, behind=bool(since))
        self._streams.add(stream)
        return stream

    def leave(self, stream: Stream) -> None:
        """Give the place back."""
        self._streams.discard(stream)

    async def follow(self, stream: Stream) -> AsyncIterator[bytes]:
        """Yield frames until the client goes, its session ends or the process stops."""
        yield b"retry: 2000\n\n" + self._pulse(stream)
        while not self._closed and self._may_go_on(stream):
            if stream.behind:
                stream.behind = False
                yield await self._catch_up(stream)
            elif stream.queue:
                yield take_all(stream)
            elif not await wait_or_pulse(stream):
                yield self._pulse(stream)

    def _may_go_on(self, stream: Stream) -> bool:
        return self._memory.people.find(stream.token) is not None

    async def _catch_up(self, stream: Stream) -> bytes:
        found = await read_difference(self._database, self._memory.epoch, stream.cursor)
        stream.cursor = found.cursor
        return _write_difference(found)

    def _publish(self, changes: Changes) -> None:
        cursor = self._memory.clock.cursor
        if changes.pedidos is None:
            self._push(cursor, write_frame("recomece", {"cursor": cursor}, cursor))
        elif changes.untold or changes.sumiram:
            pedidos = {*changes.untold, *changes.sumiram}
            self._push(cursor, write_change(cursor, sorted(pedidos), changes.sumiram))

    def _publish_early(self, pedidos: Collection[int]) -> None:
        """Tell of changes with the cursor of before them: what else is as new is not known yet."""
        cursor = self._memory.clock.cursor
        self._push(cursor, write_change(cursor, pedidos, ()))

    def _push(self, cursor: str, frame: bytes) -> None:
        for stream in self._streams:
            stream.push(cursor, frame)

    def _pulse(self, stream: Stream) -> bytes:
        """Return a sign of life; its id is where a client that saw nothing else resumes."""
        if not stream.behind and not stream.queue:
            stream.cursor = self._memory.clock.cursor
        event_id = "" if stream.behind else stream.cursor  # what a client sent is not told as ours
        now = self._memory.clock.measure()
        age = None if now.age_seconds is None else round(now.age_seconds, 1)
        as_of = now.as_of and now.as_of.isoformat()
        return write_frame(
            "pulso", {"sync_state": now.state.value, "sync_as_of": as_of, "sync_age": age}, event_id
        )


async def wait_or_pulse(stream: Stream) -> bool:
    """Return True once something waits, False when nothing came for so long that a pulse is due."""
    stream.woken.clear()
    try:
        async with asyncio.timeout(PULSE_S):
            return await stream.woken.wait()
    except TimeoutError:
        return False


def take_all(stream: Stream) -> bytes:
    """Take what waits for a stream, as one piece."""
    frames = b"".join(frame for _, frame in stream.queue)
    stream.cursor = stream.queue[-1][0]
    stream.queue.clear()
    return frames


def write_change(cursor: str, pedidos: Collection[int], sumiram: Collection[int]) -> bytes:
    """Return the event for some orders that changed, of which some vanished."""
    gone = set(sumiram)
    changed = [one for one in pedidos if one not in gone]
    return write_frame("pedidos", {"mudou": changed, "sumiu": sorted(gone), "cursor": cursor}, cursor)


def _write_difference(found: Difference) -> bytes:
    if found.changed is None:
        return write_frame("recomece", {"cursor": found.cursor}, found.cursor)
    if not found.changed:
        return b""
    return write_change(found.cursor, found.changed, found.vanished)


def write_frame(event: str, data: Mapping[str, object], event_id: str) -> bytes:
    """Write one event; without an id it leaves the client's where it is."""
    head = f"id: {event_id}\n" if event_id else ""
    body = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"{head}event: {event}\ndata: {body}\n\n".encode()

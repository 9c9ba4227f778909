"""The machines' logs while they are written: SGP is asked by one, for all who listen, while somebody does."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from db.unforeseen import Unforeseen
from vps_readapi.auth.tokens import Verified
from vps_readapi.errors import ProblemError
from vps_readapi.events import FullError, Stream, UserFullError, take_all, wait_or_pulse, write_frame
from vps_readapi.live.access import LivePolicy
from vps_readapi.live.asking import Asking, LiveAnswer, Source
from vps_readapi.live.questions import PRINT_LOGS, Group, LogsQuery, make_question
from vps_readapi.memory.people import People

WINDOW = 100
"""How many of the newest logs are looked at; who missed more is told to read them anew."""
Log = dict[str, Any]
log = logging.getLogger(__name__)


@dataclass(eq=False)
class LogFollower:
    """One listener."""

    stream: Stream
    printer_id: int | None
    since: int | None
    """The last log that it has; None until the first look, for one that begins now."""

    def push(self, logs: Sequence[Log], *, newest: int) -> None:
        """Queue some logs, the oldest first."""
        self.since = newest
        wanted = [one for one in logs if self.printer_id in {None, one.get("printer_id")}]
        if wanted:
            frame = write_frame("impressoes", {"registros": wanted}, str(newest))
            self.stream.push(str(newest), frame)


class LogsFeed:
    """The followers of one process, and the one task that looks for them."""

    def __init__(
        self,
        asking: Asking,
        people: People,
        *,
        policy: LivePolicy,
        poll_s: float,
        max_streams: int,
        max_of_user: int,
    ) -> None:
        self._asking = asking
        self._people = people
        self._policy = policy
        self._poll_s = poll_s
        self._max_streams = max_streams
        self._max_of_user = max_of_user
        self._followers: set[LogFollower] = set()
        self._looking: asyncio.Task[None] | None = None
        self._window: dict[int, Log] = {}
        self._source: Source | None = None
        self._unforeseen = Unforeseen(log)
        self._closed = False

    def join(self, token: Verified, *, printer_id: int | None, since: int | None) -> LogFollower:
        """Take a place, which must be left. Raise FullError or UserFullError if there is none."""
        if self._closed or len(self._followers) >= self._max_streams:
            raise FullError
        user_id = token.claims.user_id
        if sum(one.stream.token.claims.user_id == user_id for one in self._followers) >= self._max_of_user:
            raise UserFullError
        follower = LogFollower(Stream(token, ""), printer_id, since)
        self._followers.add(follower)
        if self._looking is None:
            self._window, self._source = {}, None
            self._looking = asyncio.create_task(self._look_on())
        elif self._window:
            self._catch_up(follower)
        return follower

    def leave(self, follower: LogFollower) -> None:
        """Give the place back; the last one ends the looking."""
        self._followers.discard(follower)
        if not self._followers and self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def close(self) -> None:
        """End every stream after what waits for it."""
        self._closed = True
        for one in self._followers:
            one.stream.woken.set()

    async def follow(self, follower: LogFollower) -> AsyncIterator[bytes]:
        """Yield frames until the client goes, its session or its right ends, or the process stops."""
        stream = follower.stream
        yield b"retry: 2000\n\n" + self._pulse()
        while not self._closed and self._may_go_on(stream):
            if stream.behind:
                stream.behind = False
                yield write_frame("recomece", {}, str(follower.since or ""))
            elif stream.queue:
                yield take_all(stream)
            elif not await wait_or_pulse(stream):
                yield self._pulse()

    def _may_go_on(self, stream: Stream) -> bool:
        person = self._people.find(stream.token)
        return person is not None and self._policy.allows(Group.PRINT_LOGS, person)

    async def _look_on(self) -> None:
        """Look, wait, look again; SGP away is a state to be told, not an end."""
        question = make_question(PRINT_LOGS, LogsQuery(limit=WINDOW))
        while True:
            claims = next(iter(self._followers)).stream.token.claims
            try:
                self._take(await self._asking.ask(question, claims))
            except ProblemError:
                self._take(None)
            except Exception as error:  # noqa: BLE001  # who listens would be told for ever that SGP answers
                self._unforeseen.tell(error)
                self._take(None)
            await asyncio.sleep(self._poll_s)

    def _take(self, answer: LiveAnswer | None) -> None:
        source = Source.LIVE if answer and answer.source is Source.LIVE else Source.CACHED
        if answer is not None and source is Source.LIVE:
            self._publish({one["id"]: one for one in json.loads(answer.content)})
        if source is not self._source:
            self._source = source
            for one in self._followers:
                one.stream.push(str(one.since or ""), self._pulse())

    def _publish(self, window: dict[int, Log]) -> None:
        """Tell what is in this window and was not in the one before; what slid back into it is not new."""
        former, self._window = self._window, window
        newest = max(window, default=0)
        new = [window[one] for one in sorted(window) if one not in former and one > min(former, default=0)]
        for one in self._followers:
            if not former or one.since is None:
                self._catch_up(one)
            elif new and len(new) == WINDOW:
                self._begin_again(one)
            elif new:
                one.push(new, newest=max(newest, one.since))

    def _catch_up(self, follower: LogFollower) -> None:
        """Tell a follower what came after the last log that it has, if that is still known."""
        newest = max(self._window, default=0)
        since = newest if follower.since is None else follower.since
        if len(self._window) >= WINDOW and since < min(self._window):
            self._begin_again(follower)
        else:
            missed = [self._window[one] for one in sorted(self._window) if one > since]
            follower.push(missed, newest=max(newest, since))

    def _begin_again(self, follower: LogFollower) -> None:
        follower.since = max(self._window, default=0)
        follower.stream.push(str(follower.since), write_frame("recomece", {}, str(follower.since)))

    def _pulse(self) -> bytes:
        """Return a sign of life that says whether SGP answers; before the first look nobody knows."""
        return write_frame("pulso", {"sync_source": self._source}, "")

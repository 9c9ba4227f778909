"""Asking SGP while somebody waits: once for all who want the same, not for long, honest when it fails."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from math import ceil

from db.logs import log_event
from db.metrics import MetricSpec
from vps_readapi.auth.tokens import Claims
from vps_readapi.errors import RETRY_AFTER, ProblemError
from vps_readapi.live.access import LivePolicy, encode
from vps_readapi.live.breaker import Breaker
from vps_readapi.live.identity import Identity
from vps_readapi.live.kept import KeptAnswers
from vps_readapi.live.questions import Group, Question
from vps_readapi.live.upstream import SgpRefusedError, UnusableError, Upstream

MAX_FLIGHTS = 64
"""Different questions under way or waiting for their turn; whoever comes after them is told at once."""
_LARGE_BYTES = 32 * 1024
"""What takes longer to read than the event loop should stand still for."""
AWAY = "Esta consulta depende do servidor da loja, que não responde no momento; tente de novo em instantes"
ANSWERS = MetricSpec(
    "ponte_api_live_answers_total",
    "answers to live questions, by what they were made of",
    ("group", "source"),
)
answers_total = ANSWERS.counter()
log = logging.getLogger(__name__)


class Source(StrEnum):
    """Where an answer comes from."""

    LIVE = "live"
    CACHED = "cached"


NONE = "none"
"""Counted where there is no answer."""
for _group, _source in product(Group, (*Source, NONE)):
    answers_total.labels(_group, _source)  # an alert can't see a series rise that begins with its first case


@dataclass(frozen=True, slots=True)
class LiveAnswer:
    """JSON, without what nobody may see; amounts are still in it."""

    content: bytes
    source: Source
    age_s: float = 0.0


class AwayError(Exception):
    """There is no answer that can be used."""


@dataclass
class Lane:
    """One group's own share of the way, so that slow reports keep nobody from the stock."""

    turns: asyncio.Semaphore
    breaker: Breaker = field(default_factory=Breaker)


class Asking:
    """Puts questions to SGP."""

    def __init__(
        self,
        upstream: Upstream,
        kept: KeptAnswers,
        *,
        policy: LivePolicy,
        identity: Identity,
        timeout_s: float,
        connections: int,
    ) -> None:
        """timeout_s: for an answer, waiting for a turn included; connections: of each group."""
        self._upstream = upstream
        self._kept = kept
        self._policy = policy
        self._identity = identity
        self._timeout_s = timeout_s
        self._lanes = {group: Lane(asyncio.Semaphore(connections)) for group in Group}
        self._flights: dict[str, asyncio.Task[bytes]] = {}

    async def ask(self, question: Question, claims: Claims) -> LiveAnswer:
        """Return SGP's answer, or the last good one. Raise ProblemError: SGP's own, or 503 with neither."""
        try:
            content = await self._join(question, claims)
        except AwayError:
            return self._answer_kept(question)
        self._count(question, Source.LIVE)
        return LiveAnswer(content, Source.LIVE)

    async def close(self) -> None:
        """Cancel what is under way and let go of the connections."""
        for flight in self._flights.values():
            flight.cancel()
        await self._upstream.close()

    async def _join(self, question: Question, claims: Claims) -> bytes:
        """Wait for the question's flight, with whoever else does; a refusal is for its asker alone."""
        while (flight := self._flights.get(question.target)) is not None:
            try:
                return await asyncio.shield(flight)
            except SgpRefusedError:
                continue
        if len(self._flights) >= MAX_FLIGHTS:
            raise AwayError
        flight = asyncio.create_task(self._fly(question, claims))
        self._flights[question.target] = flight
        flight.add_done_callback(lambda done: self._land(question, done))
        # Whoever gives up leaves the flight to the others.
        return await asyncio.shield(flight)

    def _land(self, question: Question, done: asyncio.Task[bytes]) -> None:
        self._flights.pop(question.target, None)
        if not done.cancelled():
            done.exception()  # looked at: those who waited may have left

    async def _fly(self, question: Question, claims: Claims) -> bytes:
        lane = self._lanes[question.spec.group]
        try:
            async with asyncio.timeout(self._timeout_s), lane.turns:
                body = await self._ask_once(lane.breaker, question, claims)
            content = await self._read(question, body)
        except TimeoutError as error:
            raise AwayError from error
        except UnusableError as error:
            log_event(log, "live_unusable", level=logging.WARNING, group=question.spec.group, why=str(error))
            raise AwayError from error
        except ProblemError as problem:
            if problem.status == 404:  # noqa: PLR2004
                self._kept.forget(question.target)
            raise
        self._kept.keep(question.target, content)
        return content

    async def _ask_once(self, breaker: Breaker, question: Question, claims: Claims) -> bytes:
        """Ask, and tell the breaker whether anything answered: it judges the road, not the answer."""
        if not breaker.take():  # it may have opened while this question waited for its turn
            raise AwayError
        token = self._identity.write_token(claims)
        try:
            body = await self._upstream.get(question.target, token, missing=question.spec.missing)
        except self._upstream.unanswered as error:
            self._note_failure(breaker, question, type(error).__name__)
            raise AwayError from error
        except asyncio.CancelledError:  # the time ran out
            self._note_failure(breaker, question, "TimeoutError")
            raise
        except (ProblemError, UnusableError):
            breaker.succeed()
            raise
        breaker.succeed()
        return body

    def _note_failure(self, breaker: Breaker, question: Question, error: str) -> None:
        breaker.fail()
        told = {"group": question.spec.group, "error": error, "breaker": breaker.state}
        log_event(log, "live_unanswered", level=logging.WARNING, **told)

    async def _read(self, question: Question, body: bytes) -> bytes:
        if len(body) > _LARGE_BYTES:
            return await asyncio.to_thread(self._render, question, body)
        return self._render(question, body)

    def _render(self, question: Question, body: bytes) -> bytes:
        """Read an answer in its declared shape and write it anew. Raise UnusableError."""
        shape = question.spec.shape
        try:
            value = shape.dump_python(shape.validate_json(body), mode="json", exclude_unset=True)
            return encode(self._policy.trim(question, value))
        except (ValueError, RecursionError) as error:
            raise UnusableError("shape") from error

    def _answer_kept(self, question: Question) -> LiveAnswer:
        kept = self._kept.find(question.target)
        if kept is None:
            answers_total.labels(question.spec.group, NONE).inc()
            wait_s = ceil(self._lanes[question.spec.group].breaker.wait_s)
            raise ProblemError(503, AWAY, {"Retry-After": str(wait_s)} if wait_s else RETRY_AFTER)
        self._count(question, Source.CACHED)
        return LiveAnswer(kept.content, Source.CACHED, kept.age_s)

    def _count(self, question: Question, source: Source) -> None:
        answers_total.labels(question.spec.group, source).inc()

"""The room of the live questions, furnished from the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from vps_readapi.live.access import LivePolicy
from vps_readapi.live.asking import Asking
from vps_readapi.live.following import LogsFeed
from vps_readapi.live.identity import Identity
from vps_readapi.live.kept import KeptAnswers
from vps_readapi.live.questions import Group
from vps_readapi.live.settings import LiveSettings
from vps_readapi.live.upstream import Upstream
from vps_readapi.memory.people import People


@dataclass(frozen=True)
class LiveRoom:
    """What the live routes work with."""

    policy: LivePolicy
    asking: Asking
    logs: LogsFeed


@asynccontextmanager
async def open_live(
    settings: LiveSettings, people: People, *, sgp_key: bytes | None, max_streams: int, max_of_user: int
) -> AsyncIterator[LiveRoom | None]:
    """Build it, if the settings say where SGP is; nothing connects before it is asked."""
    if not settings.live_url:
        yield None
        return
    policy = LivePolicy.of(settings)
    asking = Asking(
        Upstream(
            settings.live_url,
            connect_s=settings.live_connect_seconds,
            timeout_s=settings.live_seconds,
            max_bytes=settings.live_max_kb * 1024,
            connections=settings.live_connections * len(Group),
        ),
        KeptAnswers(max_bytes=settings.live_cache_mb * 2**20, max_age_s=settings.live_cache_hours * 3600),
        policy=policy,
        identity=Identity(sgp_key, settings.live_token.get_secret_value() or None),
        timeout_s=settings.live_seconds,
        connections=settings.live_connections,
    )
    logs = LogsFeed(
        asking,
        people,
        policy=policy,
        poll_s=settings.live_poll_seconds,
        max_streams=max_streams,
        max_of_user=max_of_user,
    )
    try:
        yield LiveRoom(policy, asking, logs)
    finally:
        await asking.close()

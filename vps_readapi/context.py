"""What the routes work with: built when the application starts, closed when it stops."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from typing import Annotated

from fastapi import Depends, Request
from pydantic import SecretStr

from db.engines import async_engine
from vps_readapi.auth.login import Login
from vps_readapi.auth.tokens import Tokens
from vps_readapi.database import Database
from vps_readapi.events import Events
from vps_readapi.limits import Limits
from vps_readapi.live.cache import OriginalCache
from vps_readapi.live.originals import Originals
from vps_readapi.media import MediaLinks, Remote
from vps_readapi.memory.listing import Listing
from vps_readapi.memory.loading import Loader
from vps_readapi.memory.memory import Memory
from vps_readapi.memory.plan import Plans
from vps_readapi.presign import Bucket, Network
from vps_readapi.settings import ApiSettings


@dataclass(frozen=True)
class Services:
    """One process's parts."""

    database: Database
    tokens: Tokens
    login: Login
    media: MediaLinks
    originals: Originals | None
    """None if SGP can't be asked."""
    memory: Memory
    loader: Loader
    events: Events
    limits: Limits
    version: str


@asynccontextmanager
async def open_services(settings: ApiSettings) -> AsyncIterator[Services]:
    """Build the parts. The database need not be there: nothing connects before it is asked."""
    engine = async_engine(
        settings.dsn.get_secret_value(), pool_size=settings.pool_size, application="ponte-readapi"
    )
    database = Database(engine)
    tokens = Tokens(_key(settings.token_key), timedelta(days=settings.token_days))
    media = MediaLinks(
        settings.public_url,
        _key(settings.media_key),
        settings.media_dir,
        remote=_find_remote(settings),
        live=bool(settings.sgp_url),
    )
    originals = _open_originals(settings)
    loader = Loader(database, media)
    memory = Memory(
        settings.dsn.get_secret_value(),
        plans=Plans(tokens, cors_origins=settings.cors_origins),
        load=loader.load,
        listing=Listing(loader.read_ids, max_orders=settings.list_orders),
        budget_bytes=settings.cache_mb * 2**20,
    )
    events = Events(memory, database, max_streams=settings.max_streams)
    try:
        async with memory.follow():
            yield Services(
                database=database,
                memory=memory,
                loader=loader,
                events=events,
                limits=Limits(per_second=settings.rate_per_s, burst=settings.rate_burst),
                tokens=tokens,
                login=Login(
                    tokens,
                    credential_key=_key(settings.credential_key),
                    concurrency=settings.login_concurrency,
                ),
                media=media,
                originals=originals,
                version=version("sgp-ponte"),
            )
    finally:
        if originals is not None:
            await originals.close()
        await engine.dispose()


def _find_remote(settings: ApiSettings) -> Remote | None:
    if settings.media_url:
        return Network(settings.media_url)
    if settings.s3_bucket_url:
        return Bucket(
            settings.s3_bucket_url,
            settings.s3_region,
            settings.s3_access_key_id,
            settings.s3_secret_access_key.get_secret_value(),
        )
    return None


def _open_originals(settings: ApiSettings) -> Originals | None:
    if not settings.sgp_url:
        return None
    return Originals(
        settings.sgp_url,
        OriginalCache(settings.originals_dir, settings.originals_mb * 2**20),
        max_bytes=settings.original_max_mb * 2**20,
        timeout_s=settings.original_seconds,
    )


def _key(secret: SecretStr) -> bytes:
    return secret.get_secret_value().encode()


def get_services(request: Request) -> Services:
    """Return the parts of the application that serves this request."""
    services = request.app.state.services
    if not isinstance(services, Services):
        raise TypeError("the application has not been started")
    return services


Used = Annotated[Services, Depends(get_services)]

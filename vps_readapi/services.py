"""What the routes work with: built when the application starts, closed when it stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from typing import Annotated

from fastapi import Depends, Request
from pydantic import SecretStr

from db.alchemy import async_engine
from vps_readapi.auth.checker import CheckerSettings
from vps_readapi.auth.login import Login
from vps_readapi.auth.remote import open_checks
from vps_readapi.auth.revocations import Revocations
from vps_readapi.auth.telling import LoginTerms, keep_told
from vps_readapi.auth.tokens import TokenKeys, Tokens
from vps_readapi.auth.verifier import TokenVerifier
from vps_readapi.database import Database
from vps_readapi.events import Events
from vps_readapi.front.proxies import Proxies
from vps_readapi.front.request import Requests
from vps_readapi.front.turns import Turns
from vps_readapi.limits import Limits
from vps_readapi.live.room import LiveRoom, open_live
from vps_readapi.losses import Losses
from vps_readapi.memory.listing import Listing
from vps_readapi.memory.loading import Loader
from vps_readapi.memory.memory import Memory
from vps_readapi.memory.people import People
from vps_readapi.memory.prepared import PreparedReads
from vps_readapi.metrics import serve_metrics
from vps_readapi.pedidos.visibility import VisibilityPolicy
from vps_readapi.pictures.links import MediaLinks, Remote
from vps_readapi.pictures.original_cache import OriginalCache
from vps_readapi.pictures.originals import Originals
from vps_readapi.pictures.presign import Bucket, Network
from vps_readapi.settings import ApiSettings

AUTH_POOL_SIZE = 1
"""Connections that revoke: each statement takes a millisecond."""


@dataclass(frozen=True)
class Services:
    """One process's parts."""

    database: Database
    verifier: TokenVerifier
    login: Login
    revocations: Revocations
    max_offline_h: float
    time_zone: str
    """The shop's."""
    media: MediaLinks
    originals: Originals | None
    """None if SGP can't be asked."""
    live: LiveRoom | None
    """The same, of the live questions."""
    memory: Memory
    loader: Loader
    events: Events
    requests: Requests
    limits: Limits
    turns: Turns
    proxies: Proxies
    version: str


@asynccontextmanager
async def open_services(settings: ApiSettings) -> AsyncIterator[Services]:
    """Build the parts. The database need not be there: nothing connects before it is asked."""
    engine = async_engine(
        settings.dsn.get_secret_value(), pool_size=settings.pool_size, application="ponte-readapi"
    )
    database = Database(engine)
    tokens = Tokens(_token_keys(settings), timedelta(days=settings.token_days))
    verifier = TokenVerifier(tokens)
    policy = VisibilityPolicy.of(money=settings.money_setores, phone=settings.phone_setores)
    media = MediaLinks(
        settings.public_url,
        _key(settings.media_key),
        settings.media_dir,
        remote=_find_remote(settings),
        live=bool(settings.sgp_url),
    )
    reads = PreparedReads(settings.dsn.get_secret_value())
    loader = Loader(database, reads, media)
    memory = _make_memory(settings, loader, policy)
    events = Events(memory, database, max_streams=settings.max_streams, max_of_user=settings.max_user_streams)
    requests = Requests(verifier, cors_origins=settings.cors_origins)
    try:
        with serve_metrics(memory, events, requests, host=settings.metrics_host, port=settings.metrics_port):
            async with (
                memory.follow(),
                open_logins(settings, tokens) as (login, revocations),
                open_originals(settings) as originals,
                open_live(
                    settings,
                    memory.people,
                    sgp_key=tokens.keys.sgp,
                    max_streams=settings.max_streams,
                    max_of_user=settings.max_user_streams,
                ) as live,
            ):
                yield Services(
                    database=database,
                    memory=memory,
                    loader=loader,
                    events=events,
                    requests=requests,
                    limits=Limits(per_second=settings.rate_per_s, burst=settings.rate_burst),
                    turns=Turns(),
                    verifier=verifier,
                    login=login,
                    revocations=revocations,
                    max_offline_h=settings.auth_max_offline,
                    time_zone=settings.time_zone,
                    media=media,
                    originals=originals,
                    live=live,
                    proxies=Proxies(settings.proxies),
                    version=version("sgp-ponte"),
                )
    finally:
        await reads.close()
        await engine.dispose()


def _make_memory(settings: ApiSettings, loader: Loader, policy: VisibilityPolicy) -> Memory:
    """An order is kept in as many forms as there are ways to see it, each of which takes its part."""
    return Memory(
        settings.dsn.get_secret_value(),
        people=People(policy),
        load=loader.load,
        listing=Listing(
            loader.read_ids,
            max_orders=settings.list_orders,
            max_bytes=settings.list_mb * 2**20 // policy.forms,
        ),
        budget_bytes=settings.cache_mb * 2**20 // policy.forms,
    )


@asynccontextmanager
async def open_logins(settings: ApiSettings, tokens: Tokens) -> AsyncIterator[tuple[Login, Revocations]]:
    """Build what gives and ends sessions, with its own way to the database."""
    engine = async_engine(
        settings.auth_dsn.get_secret_value(), pool_size=AUTH_POOL_SIZE, application="ponte-readapi-auth"
    )
    written = Database(engine)
    losses = Losses("logins", settings.auth_dsn.get_secret_value(), source="PONTE_API_AUTH_DSN")
    terms = LoginTerms(settings.auth_max_offline * 3600, settings.credential_keys().marks())
    telling = asyncio.create_task(keep_told(written, terms, losses))
    try:
        async with open_checks(_checker_settings(settings)) as checks:
            yield Login(tokens, checks, concurrency=settings.login_concurrency), Revocations(written)
    finally:
        telling.cancel()
        await engine.dispose()


def _checker_settings(settings: ApiSettings) -> CheckerSettings:
    keys = settings.credential_keys()
    return CheckerSettings(
        dsn=settings.dsn.get_secret_value(),
        auth_dsn=settings.auth_dsn.get_secret_value(),
        attempts_key=settings.credential_key.get_secret_value(),
        current_key_id=keys.current,
        keys={name: key.decode() for name, key in keys.by_id.items()},
        concurrency=settings.login_concurrency,
    )


def _token_keys(settings: ApiSettings) -> TokenKeys:
    keys = {settings.token_key_id: _key(settings.token_key)}
    if settings.previous_token_key_id:
        keys[settings.previous_token_key_id] = _key(settings.previous_token_key)
    return TokenKeys(settings.token_key_id, keys, sgp=_key(settings.sgp_token_key) or None)


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


@asynccontextmanager
async def open_originals(settings: ApiSettings) -> AsyncIterator[Originals | None]:
    """Build what asks SGP for photos, if the settings say where SGP is."""
    if not settings.sgp_url:
        yield None
        return
    originals = Originals(
        settings.sgp_url,
        OriginalCache(settings.originals_dir, settings.originals_mb * 2**20),
        max_bytes=settings.original_max_mb * 2**20,
        timeout_s=settings.original_seconds,
        connections=settings.original_connections,
    )
    try:
        yield originals
    finally:
        await originals.close()


def _key(secret: SecretStr) -> bytes:
    return secret.get_secret_value().encode()


async def get_services(request: Request) -> Services:
    """Return the parts of the application that serves this request; without `async` a thread would do it."""
    services = request.app.state.services
    if not isinstance(services, Services):
        raise TypeError("the application has not been started")
    return services


Used = Annotated[Services, Depends(get_services)]

"""The application on an address of its own, through the tunnel: uploads of miniaturas, the push, or both.

Nothing is read from the network that was not signed, but for what today's SGP sends where that is allowed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from vps_readapi.ingest.door import Door
from vps_readapi.ingest.metrics import serve_metrics
from vps_readapi.ingest.miniaturas import Miniaturas
from vps_readapi.ingest.settings import IngestSettings
from vps_readapi.ingest.store import Store
from vps_readapi.ingest.sync import Sync


def create_ingest(settings: IngestSettings) -> Starlette:
    """Return the application. The database need not be there; raise OSError for a folder of no use."""
    routes: list[BaseRoute] = []
    if settings.media_dir is not None:
        key = settings.key.get_secret_value().encode()
        routes += Miniaturas(settings.media_dir, key, max_bytes=settings.max_bytes).routes()
    store = None
    if settings.dsn is not None:
        store = Store(settings.dsn.get_secret_value())
        routes += Sync(_make_door(settings), store).routes()

    @asynccontextmanager
    async def living(_: Starlette) -> AsyncIterator[None]:
        with serve_metrics(settings.metrics_host, settings.metrics_port):
            yield
        if store is not None:
            await store.close()

    return Starlette(routes=routes, lifespan=living)


def _make_door(settings: IngestSettings) -> Door:
    return Door(
        settings.push_api_keys(),
        settings.push_secrets(),
        sgp_keys=settings.sgp_api_keys(),
        sgp_addresses=settings.sgp_addresses,
    )

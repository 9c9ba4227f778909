"""One process that serves: uvicorn on a socket that is there, with the short way in front."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys

import uvicorn

from db.listening import BACKLOG
from vps_readapi.app import ReadApi, create_app
from vps_readapi.errors import DETAILS
from vps_readapi.front.crowd import Crowd
from vps_readapi.front.proxies import Proxies
from vps_readapi.loops import find_loop
from vps_readapi.settings import ApiSettings

STOP_TIMEOUT_S = 5


class Server(uvicorn.Server):
    """uvicorn's server, which tells open event streams to end before it waits for them."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, end what goes on for ever, finish the rest."""
        app = self.config.app
        services = getattr(app.state, "services", None) if isinstance(app, ReadApi) else None
        if services is not None:
            services.events.close()
            if services.live is not None:
                services.live.logs.close()
            asyncio.get_running_loop().call_later(STOP_TIMEOUT_S - 1, services.login.give_up)
        await super().shutdown(sockets)


def serve_here(settings: ApiSettings, listener: socket.socket) -> int:
    """Run the server in this process."""
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        http=_find_protocol(settings),
        access_log=False,  # addresses hold clients' names and signatures
        log_config=None,
        server_header=False,
        proxy_headers=False,  # whose word counts is declared, and read where it is needed
        backlog=BACKLOG,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
    )
    server = Server(config)
    # uvicorn raises the signal once more when it has stopped; without this the process would die of it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with (
        contextlib.suppress(KeyboardInterrupt, SystemExit),  # uvicorn's ways to end
        asyncio.Runner(loop_factory=find_loop()) as runner,
    ):
        runner.run(server.serve([listener]))
    return 0 if server.started else 1


def _find_protocol(settings: ApiSettings) -> type[asyncio.Protocol]:
    """Return the protocol with the short way, or uvicorn's own where httptools is missing."""
    try:
        from vps_readapi.front.short_way import ShortWayProtocol  # noqa: PLC0415
    except ImportError:
        from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: PLC0415

        return H11Protocol
    crowd = Crowd(
        settings.max_connections,
        settings.max_address_connections,
        is_exempt=Proxies(settings.proxies).holds,
    )
    return type("Connection", (ShortWayProtocol,), {"crowd": crowd, "details": DETAILS})

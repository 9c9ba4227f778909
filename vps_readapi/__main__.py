"""Run the read API: `python -m vps_readapi`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys

import uvicorn

from db.errors import PonteError
from vps_readapi.app import create_app
from vps_readapi.settings import ApiSettings

STOP_TIMEOUT_S = 5


def main() -> int:
    """Serve until told to stop; return 0, 1 if it could not start, 2 if a setting is wrong."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    try:
        settings = ApiSettings.load()
        return serve(settings)
    except PonteError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def serve(settings: ApiSettings) -> int:
    """Run the server in this process. psycopg needs a selector loop, which Windows has only on demand."""
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        access_log=False,  # addresses hold clients' names and signatures
        server_header=False,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
    )
    server = uvicorn.Server(config)
    with (
        contextlib.suppress(KeyboardInterrupt, SystemExit),  # uvicorn's ways to end
        asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner,
    ):
        runner.run(server.serve())
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())

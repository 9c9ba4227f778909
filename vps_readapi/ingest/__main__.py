"""Run the ingest: `python -m vps_readapi.ingest`."""

from __future__ import annotations

import contextlib
import signal
import sys

from db.errors import PonteError
from db.extras import need

with need("api"):
    import uvicorn

    from vps_readapi.ingest.app import create_ingest
    from vps_readapi.ingest.settings import IngestSettings
    from vps_readapi.logs import set_up_logging

STOP_TIMEOUT_S = 5
KEEP_ALIVE_S = 65
"""Longer than any worker leaves a connection unused, so that it is never closed as a request arrives."""


def main() -> int:
    """Serve until told to stop; return 0, 1 if it could not start, 2 if a setting is wrong."""
    set_up_logging()
    try:
        settings = IngestSettings.load()
    except PonteError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    config = uvicorn.Config(
        create_ingest(settings),
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    server = uvicorn.Server(config)
    # uvicorn raises the signal once more when it has stopped; without this the process would die of it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(KeyboardInterrupt, SystemExit):  # uvicorn's ways to end
        server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())

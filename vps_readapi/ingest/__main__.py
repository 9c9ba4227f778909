"""Run the ingest: `python -m vps_readapi.ingest`."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Sequence

from db.extras import need
from db.loading import loading

with need("api"), loading():
    import uvicorn

    from db.listening import listen
    from vps_readapi.front.bounded import BoundedProtocol
    from vps_readapi.front.crowd import Crowd
    from vps_readapi.ingest.app import create_ingest
    from vps_readapi.ingest.settings import IngestSettings
    from vps_readapi.programs import run_service

STOP_TIMEOUT_S = 5
MESSAGE_S = 300.0
"""How long an upload may take: a shop's line may bring 100 kB a second."""
MAX_CONNECTIONS = 64
"""A worker has a few; whoever does nothing gives way to whoever comes."""
KEEP_ALIVE_S = 65
"""Longer than any worker leaves a connection unused, so that it is never closed as a request arrives."""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop; return 0, 1 if it could not start, 2 if a setting is wrong."""
    return run_service("python -m vps_readapi.ingest", lambda: serve(IngestSettings.load()), argv)


def serve(settings: IngestSettings) -> int:
    """Serve until told to stop; return 0, or 1 if it could not start."""
    application = create_ingest(settings)
    listener = listen(settings.host, settings.port, source="PONTE_INGEST_")
    crowd = Crowd(MAX_CONNECTIONS, MAX_CONNECTIONS, is_exempt=lambda _: False)
    config = uvicorn.Config(
        application,
        http=type("Connection", (BoundedProtocol,), {"crowd": crowd, "message_s": MESSAGE_S}),
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    server = uvicorn.Server(config)
    # uvicorn raises the signal once more when it has stopped; without this the process would die of it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(KeyboardInterrupt, SystemExit):  # uvicorn's ways to end
        server.run([listener])
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())

"""`ponte panel`: the watch, the poller and the web server of one process."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping

import uvicorn
from pydantic import SecretStr

from db.listening import listen
from db.logs import start_logging
from publications.declare.declaration import Declaration
from publications.panel.app import create_app
from publications.panel.poller import Poller
from publications.settings import WatchSettings
from publications.watch.link_settings import LinkSettings
from publications.watch.mending import SelfMender
from publications.watch.road import Watch


def serve(
    declaration: Declaration,
    dsns: Mapping[str, SecretStr],
    settings: WatchSettings,
    mender: SelfMender | None = None,
) -> int:
    """Serve until told to stop; return 0, or 1 if it could not start."""
    start_logging(level=logging.WARNING)
    listener = listen(settings.host, settings.port, source="PONTE_PANEL_")
    window = dsns[declaration.intake.target]
    with Watch(
        declaration,
        dsns,
        interval_s=settings.poll_seconds / 2,
        disk=settings.disk,
        verify_percent=settings.verify_percent,
        keeps_proofs=True,
        mender=mender,
        link=LinkSettings.load(),
    ) as watch:
        poller = Poller(watch, window, interval_s=settings.poll_seconds, record_s=settings.record_seconds)
        poller.start()
        config = uvicorn.Config(
            create_app(poller, names=settings.names),
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
        )
        server = uvicorn.Server(config)
        with contextlib.suppress(KeyboardInterrupt):
            server.run([listener])
        poller.stop()
    return 0 if server.started else 1

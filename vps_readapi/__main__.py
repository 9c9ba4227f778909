"""Run the read API: `python -m vps_readapi`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from db.extras import look_for, need
from db.loading import loading

with need("api"), loading():
    look_for("fastapi")  # what serves is loaded by each process that does
    from vps_readapi.programs import run_service
    from vps_readapi.server import serve
    from vps_readapi.settings import ApiSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop; return 0, 1 if it could not start, 2 if a setting is wrong."""
    return run_service("python -m vps_readapi", lambda: serve(ApiSettings.load()), argv)


if __name__ == "__main__":
    sys.exit(main())

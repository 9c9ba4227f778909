"""Run the read API: `python -m vps_readapi`."""

from __future__ import annotations

import sys

from db.errors import PonteError
from db.extras import need

with need("api"):
    from vps_readapi.logs import set_up_logging
    from vps_readapi.server import serve
    from vps_readapi.settings import ApiSettings


def main() -> int:
    """Serve until told to stop; return 0, 1 if it could not start, 2 if a setting is wrong."""
    set_up_logging()
    try:
        return serve(ApiSettings.load())
    except PonteError as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())

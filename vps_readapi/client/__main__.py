"""Write the description that the TypeScript client is generated from: `python -m vps_readapi.client`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic import SecretStr

from db.extras import need

with need("api"):
    from vps_readapi.app import create_app
    from vps_readapi.settings import ApiSettings


def describe() -> str:
    """Return the API's OpenAPI description as text. It needs no database and no real key."""
    key = SecretStr("-" * 32)
    settings = ApiSettings(
        dsn=SecretStr(""),
        auth_dsn=SecretStr(""),
        token_key=key,
        media_key=key,
        credential_key=key,
        public_url="http://localhost",
    )
    return json.dumps(create_app(settings).openapi(), ensure_ascii=False, indent=1) + "\n"


def main() -> int:
    """Write `openapi.json` beside this file."""
    Path(__file__).with_name("openapi.json").write_text(describe(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Logouts, which are written down in the VPS's own schema `auth`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from vps_readapi.auth.queries import revoke_token
from vps_readapi.auth.tokens import Verified
from vps_readapi.database import Database


@dataclass(frozen=True)
class Revocations:
    """Ends sessions, by a function that can do nothing else."""

    database: Database
    """Through the role `ponte_auth`."""

    async def add(self, token: Verified) -> None:
        """End a session in every process; each hears of it before its next answer."""
        ends = datetime.fromtimestamp(token.expires_at, UTC)
        await self.database.fetch(revoke_token(token.digest, ends))

"""Whether a session may do what `ponte` does."""

from __future__ import annotations

from db.engines import Connection
from db.errors import PonteError


class RightsError(PonteError):
    """The database answers, and would not let us work."""


def check_rights(connection: Connection, endpoint: str, source: str) -> None:
    """Ask what the server tells of each session by itself. Raise RightsError."""
    told = connection.info.parameter_status
    if told("in_hot_standby") == "on":
        raise RightsError(f"{endpoint} is a standby and takes no changes", f"name the primary in {source}")
    if told("is_superuser") == "off":
        raise RightsError(
            f"role {connection.info.user} on {endpoint} is no superuser",
            f"name one in {source}: others can't read subscriptions, nor make roles and slots",
        )

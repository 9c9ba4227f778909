"""The difference since a cursor. A cursor is `<epoch>.<number>`: every transaction below the number is known.

Transactions that were under way when a cursor was given out are at or above its number, however late they
end, so nothing is ever skipped; what was told already may be told once more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vps_readapi.database import Database
from vps_readapi.pedidos.queries import MAX_CHANGES, list_changes, list_present

_CURSOR = re.compile(r"([0-9a-f]{12})\.(\d{1,18})")


@dataclass(frozen=True)
class Difference:
    """What changed since a cursor, and the next one."""

    cursor: str
    changed: tuple[int, ...] | None
    """Ids, the vanished ones included; None if the cursor can't be continued: begin again."""
    vanished: tuple[int, ...]


async def read_difference(database: Database, epoch: str, cursor: str) -> Difference:
    """Read what changed. A cursor that is none, too old or another database's can't be continued."""
    given = _CURSOR.fullmatch(cursor)
    since = int(given[2]) if given and given[1] == epoch else None
    row = await database.fetch_first(list_changes(2**62 if since is None else since))
    if row is None:
        return Difference("", None, ())
    following = f"{epoch}.{row.cursor}"
    known = since is not None and int(row.horizonte) <= since <= int(row.newest)
    if not known or None in row.changed or len(row.changed) > MAX_CHANGES:
        return Difference(following, None, ())
    present = {one.id for one in await database.fetch(list_present(row.changed))} if row.changed else set()
    gone = tuple(one for one in row.changed if one not in present)
    return Difference(following, tuple(row.changed), gone)

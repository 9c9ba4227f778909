"""How fast a copy goes and how long it will take, in a line. Pure."""

from __future__ import annotations

from publications.act.copying import Left


class CopyPace:
    """What has been seen of all copies since the first."""

    def __init__(self, began_s: float) -> None:
        self._began_s = began_s
        self._rows: dict[str, int] = {}
        self._sizes: dict[str, int] = {}

    def tell(self, left: Left, now_s: float) -> str:
        """Say what was read, how fast, and about how long the rest takes where its size is known."""
        for one in left:
            self._rows[one.table] = max(one.rows, self._rows.get(one.table, 0))
            self._sizes[one.table] = max(one.size, self._sizes.get(one.table, 0))
        rows, size = sum(self._rows.values()), sum(self._sizes.values())
        elapsed_s = max(now_s - self._began_s, 0.001)
        if size and not rows:  # over a full table the server counts bytes alone
            return f"{size / 1e6:.1f} MB, {size / 1e6 / elapsed_s:.1f} MB/s"
        pace = rows / elapsed_s
        rest = sum(max(one.expected - self._rows[one.table], 0) for one in left)
        said = f"{rows:,} rows, {size / 1e6:.1f} MB, {pace:,.0f} rows/s"
        return f"{said}, about {rest / pace:,.0f} s left" if rows and rest else said

"""What is known of one database, as one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from db.unreached import Unreached
from publications.watch.backlog import Backlog
from publications.watch.beat import Beat
from publications.watch.history import Past
from publications.watch.rare import LastError
from publications.watch.reading import EndpointReading
from publications.watch.slots import WalSample


@dataclass(frozen=True)
class Sight:
    """What is known of one database: the last reading, and how long ago that was."""

    endpoint: str
    answers: bool = False
    blind: bool = False
    """It answers, but not what is asked."""
    reading: EndpointReading | None = None
    unread_s: float = 0.0
    beat: Beat | None = None
    """The newest row that could be read."""
    beat_missing: bool = False
    """There was no row when it was last looked for."""
    beat_unread_s: float = 0.0
    beat_unchanged_s: float = 0.0
    """For how long its number has been the same, as far as we looked."""
    clock_offset_s: float | None = None
    """Its clock minus our steady one."""
    failing: frozenset[str] = frozenset()
    """Subscriptions that fail again and again."""
    unserved_s: Mapping[str, float] = field(default_factory=dict)
    """For how long a subscription has got nothing from its publisher, as far as we looked."""
    last_error: LastError | None = None
    """Why, where its server's log tells."""
    replaced: Mapping[str, datetime] = field(default_factory=dict)
    """Slots that went, whether or not another of that name came: by this server's clock."""
    backlog: Backlog | None = None
    """On the vitrine."""
    samples: Mapping[str, Sequence[WalSample]] = field(default_factory=dict)
    """By slot."""
    past: Mapping[str, Past] = field(default_factory=dict)
    """By subscriber, where this is the vitrine."""
    past_read_s: float = 0.0
    """How long ago that was read."""
    max_offline_s: float | None = None
    """On a subscriber: for how long its API lets people log in without word; None where that is not told."""
    has_key: bool | None = None
    """On a subscriber: whether its API has the key that the worker seals with; None where it is not told."""
    gaps: int | None = None
    """How many times changes were lost on the way there; None where that can't be seen."""
    silence_s: float | None = None
    """For how long nothing had been written into the history when we began; None if nothing ever was."""
    unreached: Unreached = Unreached.SILENT
    """In which way it does not answer."""
    failure: str = ""
    """Why it could not be read; empty if it could."""
    hint: str = ""
    """What to do about that."""

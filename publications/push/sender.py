"""The push itself: where both ends stand, a first copy where that is needed, then what comes."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from db.backoff import choose_pause_s
from db.logs import log_event
from db.sync import Applied, Batch, Position, Upsert
from db.webhooks import read_webhook_secret
from publications.declare.declaration import Declaration, Export
from publications.push.changes import Piece, cut_copy, gather, parse_lsn, print_lsn
from publications.push.receiver import PushError, PushFault, Receiver
from publications.push.settings import PushSettings
from publications.push.vitrine import Standing, Vitrine

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
PART_S = 120.0
"""For so long one part of a large transaction is tried again by itself."""
LET_GO_S, LET_GO_CHANGES = 0.05, 500
"""The slot is let go of what arrived after so long, or so many changes."""
IDLE_S = 1.0
"""While nothing has to leave the slot is let go, and what is published looked at, so often."""
HEARTBEAT = "heartbeat"
NOWHERE = "0/0"

log = logging.getLogger("publications.push")


@dataclass
class Request:
    """One batch on its way; it keeps its id until it has arrived."""

    batch: Batch
    webhook_id: str = field(default_factory=lambda: uuid.uuid4().hex)


class Sender:
    """Keeps one subscriber as the vitrine is."""

    def __init__(self, settings: PushSettings, declaration: Declaration, export: Export) -> None:
        self._settings, self._export = settings, export
        self._endpoint = declaration.intake.target
        self._receiver = Receiver(
            settings.url,
            api_key=settings.api_key.get_secret_value(),
            secret=read_webhook_secret(settings.secret),
            answer_s=settings.answer_seconds,
        )
        self._vitrine: Vitrine | None = None
        self._arrived: int | None = None
        """The last transaction at the receiver; None while that is not known."""
        self._looking_at: str | None = None
        """Up to where the vitrine is being sent."""
        self._looked_at = ""
        self._kept = 0
        """So many changes have arrived and are still in the slot."""
        self._free = 0
        """Up to where the slot may be let go of what arrived, or need not leave; 0: it has been."""
        self._has_fault = True
        """One may have been told, by us or before us."""
        self._beat: Mapping[str, str | None] | None = None
        self._let_go_at = float("-inf")
        self._pending: Request | None = None

    def close(self) -> None:
        """Let go of both ends."""
        self._receiver.close()
        self.forget()

    def forget(self) -> None:
        """Begin with the question where both ends stand."""
        if self._vitrine is not None:
            self._vitrine.close()
        self._vitrine, self._arrived, self._looked_at, self._kept, self._free = None, None, "", 0, 0

    def step(self) -> int:
        """Send what is new, and return how many changes arrived. Raise PonteError, psycopg.Error.

        What failed is tried again up to where it went, as the same batches.
        """
        vitrine = self._vitrine = self._vitrine or self._open()
        if self._arrived is None:
            self._arrived = self._find_start(vitrine)
        upto = self._looking_at or self._wait(vitrine)
        n_changes = 0
        if upto != self._looked_at:
            self._looking_at = upto
            n_changes = self._send_new(vitrine, upto, self._arrived)
            self._looking_at = None
            if vitrine.seen_all:
                self._looked_at = upto
        self._rest(vitrine, upto)
        return n_changes

    def _wait(self, vitrine: Vitrine) -> str:
        """Wait for something new, but no longer than until the slot may be let go."""
        longest_s = LET_GO_S if self._kept else IDLE_S
        pause_s = self._settings.poll_seconds
        return vitrine.wait(self._looked_at or NOWHERE, pause_s=pause_s, longest_s=longest_s)

    def _open(self) -> Vitrine:
        dsn = self._settings.vitrine_dsn.get_secret_value()
        return Vitrine(dsn, self._export.target, endpoint=self._endpoint)

    def tell_fault(self, kind: PushFault, fact: str, hint: str) -> None:
        """Leave word on the vitrine, if it is there to hear it."""
        self._has_fault = True
        if self._vitrine is not None:
            self._vitrine.tell_fault(kind, fact, hint)

    def _find_start(self, vitrine: Vitrine) -> int:
        """Return the last transaction that the receiver has; everything is sent where that is of no use."""
        vitrine.check_published()
        vitrine.look()
        there = self._receiver.ask_position(uuid.uuid4().hex)
        why = _why_anew(vitrine.standing, there)
        if why is None and vitrine.is_behind(there):
            why = "the vitrine was put back to an earlier time"
        if why is not None:
            return self._copy(vitrine, why)
        log_event(log, "push_goes_on", position=there.position)
        return parse_lsn(there.position or NOWHERE)

    def _copy(self, vitrine: Vitrine, why: str) -> int:
        """Send all rows as one batch in parts: they appear at once, and what is not among them is gone.

        Return where the slot goes on.
        """
        log_event(log, "first_copy_began", why=why)
        began, done = time.monotonic(), 0
        upto = vitrine.begin()
        self._looking_at, self._free = None, 0
        with vitrine.copy() as (total, rows):
            for piece in cut_copy(vitrine.tables.values(), rows, parse_lsn(upto), self._settings.batch_bytes):
                vitrine.tell_copy(done, total)
                self._send(vitrine, piece, after=None)
                done += sum(isinstance(one, Upsert) for one in piece.changes)
                log_event(log, "copied", rows=done, total=total)
        vitrine.tell_copy(None, None)
        self._let_go(vitrine, upto, arrived=upto)
        log_event(log, "first_copy_ended", rows=done, took_s=round(time.monotonic() - began, 1))
        return parse_lsn(upto)

    def _send_new(self, vitrine: Vitrine, upto: str, arrived: int) -> int:
        n_changes = 0
        with vitrine.peek(upto, after=arrived) as events:
            limit = self._settings.batch_bytes
            for piece in gather(events, vitrine.find_row, after=arrived, limit_bytes=limit):
                self._send(vitrine, piece, after=self._arrived)
                n_changes += len(piece.changes)
                if piece.end_lsn is not None:
                    self._arrived = piece.commit_lsn
        self._kept += n_changes
        self._free = vitrine.seen_end
        return n_changes

    def _rest(self, vitrine: Vitrine, upto: str) -> None:
        """Let the slot go, now and then, of what arrived or did not have to leave.

        It costs as much as a look; but what is kept is looked at again.
        """
        if self._free and (self._is_late() or self._kept > LET_GO_CHANGES or not vitrine.seen_all):
            self._let_go_of_arrived(vitrine)
        elif not self._free and time.monotonic() > self._let_go_at + IDLE_S:
            vitrine.check_published()
            self._let_go(vitrine, upto, arrived=None)

    def _is_late(self) -> bool:
        return time.monotonic() > self._let_go_at + LET_GO_S

    def _let_go_of_arrived(self, vitrine: Vitrine) -> None:
        self._let_go(vitrine, print_lsn(self._free), arrived=print_lsn(self._arrived or 0))

    def _let_go(self, vitrine: Vitrine, upto: str, *, arrived: str | None) -> None:
        vitrine.advance(upto, arrived=arrived)
        self._let_go_at, self._kept, self._free = time.monotonic(), 0, 0
        if self._beat is not None:
            vitrine.tell_beat(self._beat.get("beat"), self._beat.get("beat_at"))
            self._beat = None
        if arrived is not None and self._has_fault:
            vitrine.tell_fault(None)
            self._has_fault = False

    def _send(self, vitrine: Vitrine, piece: Piece, *, after: int | None) -> None:
        vitrine.check_published()
        batch = Batch.model_construct(
            source=vitrine.standing.source or "",
            position=print_lsn(piece.commit_lsn),
            after=print_lsn(after) if after is not None else None,
            part=piece.part,
            last=piece.last,
            changes=piece.changes,
        )
        request = self._pending = self._resume(batch)
        try:
            is_part = piece.part > 0 or not piece.last
            applied = self._push(request, is_part=is_part, meanwhile=partial(self._pass_time, vitrine))
        except PushError:
            self._arrived, self._kept = None, 0  # whether it arrived is the receiver's to say
            raise
        self._pending = None
        if piece.last and parse_lsn(applied.position or NOWHERE) < piece.commit_lsn:
            raise PushError(
                PushFault.REJECTED,
                f"the VPS took a batch and still stands at {applied.position}, not at {batch.position}",
                "run 'ponte migrate' on the VPS, and see the ingest's log there",
            )
        for change in piece.changes:
            if isinstance(change, Upsert) and change.table == HEARTBEAT:
                self._beat = change.row

    def _resume(self, batch: Batch) -> Request:
        """A batch that is sent again keeps its id."""
        pending = self._pending
        return pending if pending and pending.batch == batch else Request(batch)

    def _pass_time(self, vitrine: Vitrine) -> None:
        """Let go of what had arrived earlier while the VPS is busy with what comes next."""
        if self._free and self._is_late():
            self._let_go_of_arrived(vitrine)

    def _push(self, request: Request, *, is_part: bool, meanwhile: Callable[[], None]) -> Applied:
        """Send it, a part again and again for a while: else all parts before it must be sent again."""
        body, began, failures = request.batch.to_json(), time.monotonic(), 0
        while True:
            try:
                return self._receiver.push(request.webhook_id, body, meanwhile=meanwhile)
            except PushError as error:
                late = time.monotonic() > began + PART_S
                if not is_part or late or error.kind is not PushFault.UNREACHABLE:
                    raise
                failures += 1
                self.tell_fault(error.kind, error.fact, error.hint)
                time.sleep(choose_pause_s(failures, first_s=FIRST_PAUSE_S, longest_s=LONGEST_PAUSE_S))


def _why_anew(standing: Standing, there: Position) -> str | None:
    """Say why everything must be sent; None if the receiver has all that the slot has let go."""
    if standing.is_new or standing.arrived is None:
        return "the slot is new"
    if there.source is None or there.position is None:
        return "the VPS has nothing yet"
    if there.source != standing.source:
        return "the VPS has it from elsewhere"
    if parse_lsn(there.position) < parse_lsn(standing.arrived):
        return "the VPS was put back to an earlier time"
    return None

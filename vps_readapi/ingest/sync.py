"""What the push is answered: batches of changes, lists of rows, and how far this VPS has come."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, ParamSpec, TypeVar

from pydantic import BaseModel, Discriminator, Tag, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from db.logs import log_event
from db.outage import Outage
from db.sync import CHANGES_PATH, POSITION_PATH, TABLE_PATH, Applied, Batch, Counts, FullRow, SgpPedido
from db.tables import find_key
from vps_readapi.ingest import metrics
from vps_readapi.ingest.body import read_sent, unpack
from vps_readapi.ingest.door import Door
from vps_readapi.ingest.folding import COLUMNS, fold_batch, fold_list
from vps_readapi.ingest.refusals import Reason, RefusalError
from vps_readapi.ingest.store import Store, Taken, WrongValueError

PEDIDOS = "pedidos"
SGP_KEY = "pedido_id"
"""What SGP's own objects have and whole rows have not."""
RETRY_AFTER = {"Retry-After": "5"}
SMALL_BYTES = 16_384
Body = TypeVar("Body")
Given = ParamSpec("Given")

log = logging.getLogger(__name__)


def _tell_apart(one: Any) -> str:
    return "sgp" if isinstance(one, dict) and SGP_KEY in one else "whole"


_EITHER = Annotated[
    Annotated[SgpPedido, Tag("sgp")] | Annotated[FullRow, Tag("whole")], Discriminator(_tell_apart)
]
BATCH: TypeAdapter[Batch] = TypeAdapter(Batch)
Rows = Sequence[SgpPedido | FullRow]
WHOLE_ROWS: TypeAdapter[Rows] = TypeAdapter(list[FullRow])
PEDIDOS_ROWS: TypeAdapter[Rows] = TypeAdapter(list[_EITHER])
SGP_ROWS: TypeAdapter[Rows] = TypeAdapter(list[SgpPedido])
_TAGS = {"upsert", "delete", "truncate", "sgp", "whole"}
"""Words in Pydantic's places that are no fields of the body."""


@dataclass(frozen=True)
class Read:
    """A body that is believed and understood."""

    nonce: str | None
    digest: bytes
    folded: dict[str, Any]
    ignored: Counter[str]
    tables: frozenset[str]
    """Those that it names."""
    part: int | None
    """Which it is of a batch; None of a list."""

    def name(self, wrong: WrongValueError) -> str:
        """Return a field's name as the sender knows it."""
        if self.part is None:
            [table] = self.tables
            return f"{wrong.place}.{wrong.field or find_key(table)}"
        change = f"changes.{wrong.place}." + (f"row.{wrong.field}" if wrong.field else "key")
        return change if wrong.part == self.part else f"parts.{wrong.part}.{change}"


class Sync:
    """Answers senders. One body is worked on at a time: what it unpacks to is bounded, and so is memory."""

    def __init__(self, door: Door, store: Store) -> None:
        self._door = door
        self._store = store
        self._turn = asyncio.Semaphore(1)
        self._refusals = Outage()

    def routes(self) -> Sequence[Route]:
        """Return what is answered."""
        return [
            Route(CHANGES_PATH, self._answering(self.take_changes), methods=["POST"]),
            Route(POSITION_PATH, self._answering(self.tell_position), methods=["GET"]),
            Route(TABLE_PATH + "{table}", self._answering(self.take_list), methods=["POST"]),
        ]

    async def take_changes(self, request: Request) -> Response:
        """Take a batch of changes, or one part of it."""
        fields = _read_fields(request)
        self._door.admit(fields, _read_host(request))
        sent = await read_sent(request)
        async with self._turn:
            read = await _read_aside(sent, self._read_batch, fields, sent)
            taken = await self._take(read)
            position = read.folded["position"] if taken.became == "taken" else None
            if position is None and taken.became != "staged":
                position = (await self._store.read_position()).position
        return _answer(read, taken, position)

    async def take_list(self, request: Request) -> Response:
        """Take a list of one table's rows; of orders also what SGP itself sends."""
        table = request.path_params["table"]
        if table not in COLUMNS:
            raise RefusalError(Reason.UNKNOWN_TABLE)
        fields = _read_fields(request)
        signed = self._door.admit(fields, _read_host(request), unsigned=table == PEDIDOS)
        sent = await read_sent(request)
        async with self._turn:
            read = await _read_aside(sent, self._read_list, table, fields, sent, signed=signed)
            taken = await self._take(read)
        return _answer(read, taken, None)

    async def tell_position(self, request: Request) -> Response:
        """Tell how far this VPS has what source. Its body, which is empty, is signed as any other."""
        fields = _read_fields(request)
        self._door.admit(fields, _read_host(request))
        self._door.believe(fields, b"")
        return _json(await self._store.read_position())

    def _read_batch(self, fields: dict[str, str], sent: bytes) -> Read:
        body = unpack(sent, fields.get("content-encoding", ""))
        nonce = self._door.believe(fields, body)
        batch = _parse(BATCH, body)
        folded, ignored = fold_batch(batch)
        tables = frozenset(one.table for one in batch.changes) & COLUMNS.keys()
        return Read(nonce, _digest(CHANGES_PATH, body), folded, ignored, tables, batch.part)

    def _read_list(self, table: str, fields: dict[str, str], sent: bytes, *, signed: bool) -> Read:
        body = unpack(sent, fields.get("content-encoding", ""))
        nonce = self._door.believe(fields, body) if signed else None
        folded, ignored = fold_list(table, _read_rows(table, body, signed=signed))
        return Read(nonce, _digest(table, body), folded, ignored, frozenset({table}), None)

    async def _take(self, read: Read) -> Taken:
        try:
            return await self._store.take(read.nonce, read.digest, read.folded)
        except WrongValueError as wrong:
            raise RefusalError(Reason.INVALID, fields=[read.name(wrong)]) from wrong

    def _answering(
        self, answer: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answering(request: Request) -> Response:
            try:
                return await answer(request)
            except RefusalError as refusal:
                return self._refuse(refusal)

        return answering

    def _refuse(self, refusal: RefusalError) -> Response:
        """Count it, and say it at growing distance: a field's name is no value of a row."""
        metrics.refusals.labels(refusal.reason).inc()
        if self._refusals.fails(refusal.reason):
            told = {**refusal.describe(), "failures": self._refusals.failures}
            log_event(log, "push_refused", level=logging.WARNING, **told)
        headers = RETRY_AFTER if refusal.status == 503 else None  # noqa: PLR2004
        return JSONResponse(refusal.describe(), refusal.status, headers)


async def _read_aside(
    sent: bytes, read: Callable[Given, Read], *given: Given.args, **named: Given.kwargs
) -> Read:
    """Have a body read, a large one in a thread; a small one is read in less time than that takes."""
    if len(sent) > SMALL_BYTES:
        return await run_in_threadpool(read, *given, **named)
    return read(*given, **named)


def _answer(read: Read, taken: Taken, position: str | None) -> Response:
    counts = {name: taken.counts.get(name, Counts()) for name in sorted(read.tables | taken.counts.keys())}
    metrics.bodies.labels(taken.became).inc()
    for name, count in taken.counts.items():
        for became, number in count.model_dump().items():
            metrics.changes.labels(name, became).inc(number)
    for name, number in read.ignored.items():
        metrics.ignored.labels("column" if "." in name else "table").inc(number)
    return _json(
        Applied(
            applied=counts, position=position, ignored=dict(read.ignored), staged=taken.became == "staged"
        )
    )


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json")


def _parse(adapter: TypeAdapter[Body], body: bytes) -> Body:
    """Read a body. Raise RefusalError that names each wrong field, and quotes none."""
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        found = (_name(one["loc"]) for one in error.errors(include_input=False, include_url=False))
        raise RefusalError(Reason.INVALID, fields=found) from None


def _read_rows(table: str, body: bytes, *, signed: bool) -> Rows:
    """Read a list. What nobody signed is what SGP sends today, and nothing else."""
    if not signed:
        return _parse(SGP_ROWS, body)
    return _parse(PEDIDOS_ROWS if table == PEDIDOS else WHOLE_ROWS, body)


def _name(place: tuple[int | str, ...]) -> str:
    """Return a field's name as the sender knows it; the body itself has none."""
    return ".".join(str(part) for nth, part in enumerate(place) if not (nth and part in _TAGS)) or "body"


def _digest(where: str, body: bytes) -> bytes:
    """Return what an id is used up for: the same body elsewhere is another."""
    return sha256(where.encode() + b"\n" + body).digest()


def _read_fields(request: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _read_host(request: Request) -> str:
    return request.client.host if request.client else ""

"""What the worker talks to, through the tunnel: signed uploads of miniaturas.

It knows no database, and nothing is read from the network that was not signed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from db.logs import log_event
from db.outage import Outage
from db.reasons import explain
from db.signing import SignatureError, Verifier
from vps_readapi.ingest.folder import MiniaturaFolder
from vps_readapi.pictures.links import PATH, is_chave

PAGE = 1000
HINT = "compare PONTE_INGEST_KEY and the clock with those of the worker's machine"
log = logging.getLogger(__name__)


class Miniaturas:
    """Takes, removes and lists them in a folder."""

    def __init__(self, media_dir: Path, key: bytes, *, max_bytes: int) -> None:
        """Make the folder ready. Raise OSError where nothing can be written."""
        self.folder = MiniaturaFolder(media_dir)
        self.folder.prepare()
        self.folder.sweep_leftovers()
        self._verifier = Verifier(key)
        self._max_bytes = max_bytes
        self._folder = Outage()
        self._refusals = Outage()

    def routes(self) -> Sequence[Route]:
        """Return what is answered."""
        return [
            Route(f"{PATH}/{{chave:path}}", self.put, methods=["PUT"]),
            Route(f"{PATH}/{{chave:path}}", self.delete, methods=["DELETE"]),
            Route(PATH, self.list, methods=["GET"]),
        ]

    async def put(self, request: Request) -> Response:
        """Take one miniatura: all of it, or nothing."""
        digest = self._verify(request)
        chave = _read_chave(request)
        # A miniatura is some 50 KB and never more than the limit, so it is held until its digest is known.
        content = bytearray()
        async for piece in request.stream():
            content += piece
            if len(content) > self._max_bytes:
                raise HTTPException(413)
        if sha256(content).hexdigest() != digest:
            raise HTTPException(422)
        with self._telling():
            await run_in_threadpool(self._keep, chave, bytes(content))
        log_event(log, "miniatura_taken", bytes=len(content))
        return Response(status_code=204)

    async def delete(self, request: Request) -> Response:
        """Remove one."""
        self._verify(request)
        chave = _read_chave(request)
        with self._telling():
            await run_in_threadpool(self.folder.delete, chave)
        return Response(status_code=204)

    async def list(self, request: Request) -> Response:
        """Answer keys and sizes, a page of them."""
        self._verify(request)
        after = request.query_params.get("depois", "")
        with self._telling():
            return JSONResponse(await run_in_threadpool(self.folder.list_after, after, PAGE))

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Answer 503 where the folder is of no use, and say why at growing distance.

        A folder that is not there holds everything, perhaps, and not nothing.
        """
        try:
            yield
        except OSError as error:
            if self._folder.fails(error.errno):
                told = explain(error)
                fields = {"fact": told.fact, "hint": told.hint, "failures": self._folder.failures}
                log_event(log, "folder_lost", level=logging.WARNING, **fields)
            raise HTTPException(503) from error
        lasted_s = self._folder.works()
        if lasted_s is not None:
            log_event(log, "folder_back", after_s=round(lasted_s, 1))

    def _keep(self, chave: str, content: bytes) -> None:
        with self.folder.receive(chave) as file:
            file.write(content)

    def _verify(self, request: Request) -> str:
        target = request.scope["raw_path"].decode("ascii", "replace")
        if query := request.scope["query_string"].decode("ascii", "replace"):
            target += f"?{query}"
        fields = {name.lower(): value for name, value in request.headers.items()}
        try:
            return self._verifier.verify(request.method, target, fields)
        except SignatureError as error:
            if self._refusals.fails(str(error)):
                told = {"fact": f"a request is {error}", "hint": HINT, "failures": self._refusals.failures}
                log_event(log, "request_refused", level=logging.WARNING, **told)
            raise HTTPException(401) from None


def _read_chave(request: Request) -> str:
    chave: str = request.path_params["chave"]
    if not is_chave(chave):
        raise HTTPException(422)
    return chave

"""`/miniaturas`: the pictures, for whoever holds a signed link.

A link may be asked for another size of the same photo: `&tamanho=1600`, or `&tamanho=original`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, RedirectResponse, Response

from db.renditions import ORIGINAL, name_rendition, read_imagem_id
from vps_readapi.errors import PROBLEMS, ProblemError
from vps_readapi.pedidos.keyset import MAX_INT4
from vps_readapi.pedidos.queries import find_chave, find_photo
from vps_readapi.pictures.links import MEDIA_TYPES, PATH
from vps_readapi.pictures.originals import MISSING, SUFFIXES
from vps_readapi.services import Services, Used

A_DAY = "private, max-age=86400"
"""One phone's: what is deleted in SGP is not shown from anybody's cache for longer."""
WHILE_IT_LASTS = "no-store"
REDIRECT = "private, max-age=3600"
HEADERS = {"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "cross-origin"}

router = APIRouter(prefix=PATH)


@router.get(
    "/{chave:path}",
    response_class=FileResponse,
    responses={
        302: {"description": "Where the storage has it"},
        304: {"description": "Not Modified"},
        **{one: PROBLEMS[one] for one in (403, 404, 413, 415, 422, 503)},
    },
)
async def read_miniatura(
    chave: str,
    request: Request,
    services: Used,
    s: str = "",
    tamanho: Annotated[str, Query(pattern=rf"^(|\d{{2,4}}|{ORIGINAL})$")] = "",
) -> Response:
    """Answer the picture, as long as the photo is there."""
    if not services.media.is_signed(chave, s):
        raise ProblemError(403, "Endereço de imagem inválido")
    chave = await _find_present(chave, services, original=tamanho == ORIGINAL)
    if tamanho == ORIGINAL or chave.endswith(f"/{ORIGINAL}"):
        return await _answer_original(chave, request, services)
    return await _answer_rendition(chave, tamanho, request, services)


async def _find_present(chave: str, services: Services, *, original: bool) -> str:
    """Return what the photo's key is by now. Raise ProblemError (404) for a photo that is gone."""
    imagem_id = read_imagem_id(chave)
    row = None
    if imagem_id is None or imagem_id <= MAX_INT4:
        row = await services.database.fetch_first(find_photo(imagem_id, chave))
    if row is None:
        raise ProblemError(404, MISSING)
    if original and imagem_id is not None:
        return f"{imagem_id}/{ORIGINAL}"
    is_present = row.chave is None or name_rendition(row.chave, 0) == name_rendition(chave, 0)
    return chave if is_present or chave.endswith(f"/{ORIGINAL}") else str(row.chave)


async def _answer_rendition(chave: str, tamanho: str, request: Request, services: Services) -> Response:
    """Answer the size that is asked for, or else what there is of the photo."""
    wanted = name_rendition(chave, int(tamanho)) if tamanho else chave
    if (path := services.media.find(wanted)) is not None:
        return _answer_file(path, request, etag=f'"{wanted}"')
    if (address := services.media.locate(wanted)) is not None:
        return RedirectResponse(address, 302, headers={**HEADERS, "Cache-Control": REDIRECT})
    # It is announced and not there: the disk was changed, say. The next one who asks may find it.
    try:
        return await _answer_live(chave, request, services, caching=WHILE_IT_LASTS)
    except ProblemError:
        if (path := services.media.find(chave)) is None:
            raise
        return _answer_file(path, request, etag=f'"{chave}"', caching=WHILE_IT_LASTS)


async def _answer_original(chave: str, request: Request, services: Services) -> Response:
    """Answer the photo itself, or the miniatura if SGP can't be asked and there is one."""
    try:
        return await _answer_live(chave, request, services, caching=A_DAY)
    except ProblemError as problem:
        if services.originals is not None and problem.status != 503:  # noqa: PLR2004
            raise
        answer = await _answer_instead(chave, request, services)
        if answer is None:
            raise
        return answer


async def _answer_instead(chave: str, request: Request, services: Services) -> Response | None:
    """Answer the announced miniatura, for as long as there is nothing better."""
    announced = await _find_announced(chave, services) if chave.endswith(f"/{ORIGINAL}") else chave
    if announced is None:
        return None
    if (path := services.media.find(announced)) is not None:
        return _answer_file(path, request, etag=f'"{announced}"', caching=WHILE_IT_LASTS)
    if (address := services.media.locate(announced)) is not None:
        return RedirectResponse(address, 302, headers={**HEADERS, "Cache-Control": WHILE_IT_LASTS})
    return None


async def _find_announced(chave: str, services: Services) -> str | None:
    """Return what the photo's key is by now: a link to the photo itself may be older than its miniatura."""
    imagem_id = read_imagem_id(chave)
    if imagem_id is None or imagem_id > MAX_INT4:
        return None
    row = await services.database.fetch_first(find_chave(imagem_id))
    return None if row is None else str(row.chave)


async def _answer_live(chave: str, request: Request, services: Services, *, caching: str) -> Response:
    imagem_id = read_imagem_id(chave)
    if services.originals is None or imagem_id is None:
        raise ProblemError(404, MISSING)
    path = await services.originals.fetch(imagem_id)
    return _answer_file(path, request, etag=f'"{imagem_id}"', caching=caching)


def _answer_file(path: Path, request: Request, *, etag: str, caching: str = A_DAY) -> Response:
    headers = {**HEADERS, "Cache-Control": caching, "ETag": etag}
    held = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    if held & {etag, "*"}:
        return Response(status_code=304, headers=headers)
    suffix = path.suffix.lower()
    media_type = MEDIA_TYPES.get(suffix) or SUFFIXES.get(suffix) or "application/octet-stream"
    return FileResponse(path, media_type=media_type, headers=headers)

"""`/miniaturas`: the pictures, for whoever holds a signed link."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import FileResponse

from vps_readapi.context import Used
from vps_readapi.errors import PROBLEMS, ProblemError
from vps_readapi.media import MEDIA_TYPES, PATH

HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",
}

router = APIRouter(prefix=PATH)


@router.get(
    "/{chave:path}", response_class=FileResponse, responses={one: PROBLEMS[one] for one in (403, 404, 422)}
)
def read_miniatura(chave: str, services: Used, s: str = "") -> FileResponse:
    """Answer the picture; its key names one content for ever."""
    if not services.media.is_signed(chave, s):
        raise ProblemError(403, "Endereço de imagem inválido")
    path = services.media.find(chave)
    if path is None:
        raise ProblemError(404, "Imagem não encontrada")
    media_type = MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream")
    return FileResponse(path, media_type=media_type, headers=HEADERS)

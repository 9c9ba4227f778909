"""Images that are not what their row says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .pictures import build_padded_jpeg, build_png_header_bomb, draw_picture

OVER_10_MB = 10 * 1024 * 1024 + 1
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 200


@dataclass(frozen=True)
class OddImage:
    """A named odd image: columns it has otherwise, its own path, its file's content."""

    name: str
    content: Callable[[], bytes] | None = None
    overrides: Mapping[str, object] = field(default_factory=dict)
    path: str | None = None
    linked: bool = True
    """Whether the first item's `imagem` points at it; otherwise only the row's own columns tell."""


def draw_jpeg() -> bytes:
    """Give the content of a good JPEG."""
    return draw_picture(0)[1]


def draw_png() -> bytes:
    """Give the content of a good PNG."""
    return draw_picture(1)[1]


NO_ITEM: dict[str, object] = {"item_index": None, "item_identificador": None}
GONE: dict[str, object] = {"item_index": 99, "item_identificador": "888888"}

ODD_IMAGES: tuple[OddImage, ...] = (
    OddImage("file_missing", overrides={"tamanho": 48_213}),
    OddImage("file_missing_backslash", path="pedidos\\1\\0123456789abcdef0123456789abcdef.jpg"),
    OddImage("zero_bytes", lambda: b""),
    OddImage("text_named_jpg", "isto não é uma imagem\n".encode),
    OddImage("jpeg_truncated", lambda: draw_jpeg()[:5000]),
    OddImage("png_named_jpg", draw_png),
    OddImage("pdf", lambda: b"%PDF-1.4\n%%EOF\n", {"mime_type": "application/pdf", "filename": "arte.pdf"}),
    OddImage("svg_with_script", lambda: SVG, {"mime_type": "image/svg+xml", "filename": "logo.svg"}),
    OddImage("heic", lambda: HEIC, {"mime_type": "image/heic", "filename": "IMG_0001.HEIC"}),
    OddImage("header_bomb", build_png_header_bomb, {"mime_type": "image/png"}),
    OddImage("over_10_mb", lambda: build_padded_jpeg(OVER_10_MB)),
    OddImage("item_gone", draw_jpeg, GONE, linked=False),
    OddImage("no_item", draw_jpeg, NO_ITEM, linked=False),
    OddImage("item_index_stale", draw_jpeg, {"item_index": 7}, linked=False),
    OddImage("item_index_alone", draw_jpeg, {"item_identificador": None}, linked=False),
    OddImage("item_identificador_words", draw_jpeg, {"item_identificador": "temp-abc"}, linked=False),
    OddImage("size_wrong", draw_jpeg, {"tamanho": -1}),
    OddImage("mime_unknown", draw_jpeg, {"mime_type": "application/octet-stream"}),
    OddImage("mime_empty", draw_jpeg, {"mime_type": "", "filename": ""}),
    OddImage("filename_hostile", draw_jpeg, {"filename": '../..\\"<b>🎉\r\nX-Header: 1.jpg'}),
    OddImage("filename_long", draw_jpeg, {"filename": "ã" * 400 + ".jpg"}),
    OddImage("path_empty", overrides={"path": ""}),
    OddImage("path_traversal", path="pedidos/../../../../etc/passwd"),
    OddImage("path_traversal_backslash", path="pedidos\\..\\..\\..\\segredo.jpg"),
    OddImage(
        "path_absolute_windows", path="C:\\SGP\\media\\pedidos\\1\\fedcba9876543210fedcba9876543210.jpg"
    ),
    OddImage("path_absolute_posix", path="/etc/hostname"),
    OddImage("path_share", path="\\\\servidor\\media\\pedidos\\1\\a.jpg"),
    OddImage("path_device", path="pedidos/1/CON.jpg"),
    OddImage("path_is_snapshot", path="pedidos/1/pedido-1.json"),
)

"""Pictures for the seed: drawn ones that open, and files that only look like pictures."""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont, ImageOps

ORIENTATION_TAG = 0x0112
ROTATED = 6  # EXIF: the top of the picture is on the right
DISTINCT = 24
FORMATS = ("jpeg", "png", "webp", "jpeg", "jpeg rotated", "jpeg cmyk", "gif animated", "png alpha")
SAVE_OPTIONS: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 82},
    "PNG": {"compress_level": 1},
    "WEBP": {"quality": 75, "method": 0},
    "GIF": {},
}
MIME_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/gif": ".gif"}


@lru_cache(maxsize=DISTINCT)
def draw_picture(number: int) -> tuple[str, bytes]:
    """Draw picture `number` (0 to 23) and return its mime type and file content, 800 to 2000 pixels wide."""
    kind, _, feature = FORMATS[number % len(FORMATS)].partition(" ")
    image = draw_art(number, width=800 + number * 397 % 1201, height=800 + number * 211 % 601)
    options = SAVE_OPTIONS[kind.upper()].copy()
    match feature:
        case "rotated":
            exif = Image.Exif()
            exif[ORIENTATION_TAG] = ROTATED
            options["exif"] = exif
        case "cmyk":
            image = image.convert("CMYK")
        case "animated":
            small = image.resize((800, 800)).quantize(32)
            image, options = (
                small,
                {"save_all": True, "append_images": [ImageOps.mirror(small)], "duration": 400},
            )
        case "alpha":
            image.putalpha(Image.linear_gradient("L").resize(image.size))
    return MIME_TYPES[kind.upper()], encode(image, kind, options)


def draw_art(number: int, *, width: int, height: int) -> Image.Image:
    """Draw a gradient with shapes and the picture's number, different for each number."""
    across = Image.linear_gradient("L").rotate(90).resize((width, height))
    down = Image.linear_gradient("L").resize((width, height))
    image = Image.merge("RGB", (across, down, Image.new("L", (width, height), number * 37 % 256)))
    draw = ImageDraw.Draw(image)
    for ring in range(5):
        box = (
            width // 10 + ring * 60,
            height // 8 + ring * 50,
            width // 2 + ring * 60,
            height // 2 + ring * 50,
        )
        draw.ellipse(box, outline=(255, 255 - ring * 50, number * 10 % 256), width=12)
    draw.polygon([(width - 40, 40), (width - 40, height // 2), (width // 2, 40)], fill=(250, 220, 40))
    draw.text((40, height - 160), f"Arte {number + 1:02d}", fill="white", font=ImageFont.load_default(96))
    return image


def encode(image: Image.Image, kind: str, options: dict[str, object]) -> bytes:
    """Write an image in a format, to memory."""
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def build_png_header_bomb(side: int = 60_000) -> bytes:
    """Build a PNG of some hundred bytes that declares side x side pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def build_padded_jpeg(size_bytes: int) -> bytes:
    """Build a JPEG that opens and is that large: zeros after its end."""
    return draw_picture(0)[1].ljust(size_bytes, b"\0")

"""From a photo's bytes to a miniatura: pure, and suspicious of what it is given."""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
from dataclasses import dataclass

from PIL import Image, ImageCms, ImageOps

from db.motivo import Motivo
from thumbnail_worker.errors import PhotoError

QUALITY = 80
# Not EPS, which starts a program, nor any format that no browser or camera makes.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
# Modes that Pillow scales smoothly as they are.
_SMOOTH = {"L", "LA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB"}
_ALPHA = {"LA", "PA", "RGBA"}
# How much larger than wanted a picture is decoded at least. A 12-megapixel JPEG takes 51 ms with 1.1 and
# 58 ms with 1.5, and is as near to the picture scaled from all of its pixels: 31.7 and 31.6 dB.
_REDUCING_GAP = 1.1
# Of 0 to 6; 4 takes a quarter longer for 6 % fewer bytes.
_METHOD = 2

_TOO_MANY_PIXELS = (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError)


@dataclass(frozen=True)
class Rendered:
    """A miniatura: WebP, without metadata."""

    body: bytes
    largura: int
    altura: int


def arm_pixel_guard(max_pixels: int) -> None:
    """Make Pillow refuse a picture above `max_pixels`, not warn. For the process, before it renders."""
    Image.MAX_IMAGE_PIXELS = max_pixels
    # What else Pillow warns about (broken EXIF, say) is the photo's matter and nobody's to act on.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def render(original: bytes, long_edge: int = 640) -> Rendered:
    """Return the miniatura of a photo: upright, sRGB, its long edge at most so many pixels.

    Raise PhotoError if it can't be read; needs `arm_pixel_guard` to have been called.
    """
    with _open(original) as image:
        try:
            return _encode(_to_srgb(_turn_upright(_shrink(image, long_edge))))
        except _TOO_MANY_PIXELS:
            raise PhotoError(Motivo.PIXELS_DEMAIS) from None
        except Exception as error:
            # Decoders raise anything on bytes made to confuse them.
            raise PhotoError(Motivo.TRUNCADA) from error


def _open(original: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(original), formats=FORMATS)
    except _TOO_MANY_PIXELS:
        raise PhotoError(Motivo.PIXELS_DEMAIS) from None
    except Exception as error:
        raise PhotoError(Motivo.NAO_E_IMAGEM) from error


def _shrink(image: Image.Image, long_edge: int) -> Image.Image:
    small = _unfold(image)
    # Scales a JPEG while it is decoded, to an eighth at best, and never enlarges.
    small.thumbnail((long_edge, long_edge), Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP)
    small.load()
    return small


def _unfold(image: Image.Image) -> Image.Image:
    """Give a picture of a mode that scales badly (palette, bits, 16 bits) another one."""
    if image.mode in _SMOOTH and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        # 16 bits a pixel, which `convert` would clip to white.
        image.info.pop("transparency", None)
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    return image.convert(_plain_mode(image))


def _turn_upright(image: Image.Image) -> Image.Image:
    """Apply the camera's orientation; EXIF that can't be read says nothing."""
    with contextlib.suppress(SyntaxError, ValueError, LookupError, TypeError, struct.error):
        ImageOps.exif_transpose(image, in_place=True)
    return image


def _to_srgb(image: Image.Image) -> Image.Image:
    plain = _apply_profile(image).convert(_plain_mode(image))
    plain.info.clear()
    return plain


def _apply_profile(image: Image.Image) -> Image.Image:
    """Bring the colours into sRGB by the picture's own profile; one that is broken counts for none."""
    profile = image.info.get("icc_profile")
    if not profile:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        return ImageCms.profileToProfile(image, source, target, outputMode=mode) or image
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image


def _encode(image: Image.Image) -> Rendered:
    body = io.BytesIO()
    image.save(body, "WEBP", quality=QUALITY, method=_METHOD)
    return Rendered(body.getvalue(), image.width, image.height)


def _plain_mode(image: Image.Image) -> str:
    return "RGBA" if image.mode in _ALPHA or "transparency" in image.info else "RGB"

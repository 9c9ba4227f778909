"""Photos, as bytes: each becomes a miniatura or is refused with a reason."""

from __future__ import annotations

import io
import random

from PIL import Image

from tests.fix_photos import MAX_PIXELS, draw_jpeg
from tests.fuzz.outcome import Outcome, run_rounds, spoil
from thumbnail_worker.errors import PhotoError
from thumbnail_worker.photos.render import FORMATS, arm_pixel_guard, render

PIECES = [
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"IDAT", b"Exif\0\0", b"ICC_PROFILE\0", b"\xff" * 64),
    *(b"\x7f\xff\xff\xff", b"\0" * 64, b"RIFF", b"<svg onload=x>"),
]


def draw(kind: str) -> bytes:
    """Return a small picture of a format."""
    with Image.open(io.BytesIO(draw_jpeg(1, (64, 48)))) as picture:
        body = io.BytesIO()
        picture.save(body, kind)
        return body.getvalue()


def fuzz_images(count: int, seconds: float, seed: int) -> Outcome:
    """Make miniaturas in this process, without its bounds on memory and time."""
    arm_pixel_guard(MAX_PIXELS)
    outcome, rng = Outcome("images"), random.Random(seed)
    sound = [draw(kind) for kind in FORMATS]

    def take_turn() -> None:
        photo = spoil(rng, rng.choice(sound), PIECES)
        try:
            render(photo, 64)
        except PhotoError:
            pass
        except Exception as error:  # noqa: BLE001  # that there is none is what is asked
            outcome.blame(photo, type(error).__name__)

    return run_rounds(outcome, count, seconds, take_turn)

"""A rendering process: `python -m thumbnail_worker.photos.renderer LINE`; the line tells it all."""

from __future__ import annotations

import contextlib
import signal
import sys
from multiprocessing.connection import Connection

from db import lifetime
from thumbnail_worker.photos.messages import PhotoLimits, Task, make_renditions, read_photo
from thumbnail_worker.photos.originals import Media
from thumbnail_worker.photos.render import arm_pixel_guard


def main() -> None:
    """Serve until the other end of the line is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the service's matter
    with contextlib.suppress(EOFError, OSError), lifetime.take_line(int(sys.argv[1])) as line:
        limits: PhotoLimits = line.recv()
        _limit_memory(limits.memory_mb)
        arm_pixel_guard(limits.max_pixels)
        media = Media(limits.media_root, max_bytes=limits.max_bytes)
        line.send("ready")
        while True:
            _serve(line, media, line.recv())


def _serve(line: Connection, media: Media, task: Task) -> None:
    got = read_photo(media, task)
    if isinstance(got, tuple):
        original, content = got
        line.send(original)
        got = make_renditions(task, original, content)
    line.send(got)


def _limit_memory(memory_mb: int) -> None:
    """Have a photo that wants more meet a MemoryError; on Windows only the limit of pixels holds."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415

    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 2**20, memory_mb * 2**20))


if __name__ == "__main__":
    main()

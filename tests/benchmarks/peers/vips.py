"""The same miniatura by libvips: prints the CPU seconds of each round. `python vips.py JPEG ROUNDS`.

Run by the benchmark in an environment of its own, with one thread, and with WebP's effort set to ours.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pyvips  # type: ignore[import-not-found,unused-ignore]  # not installed beside Ponte

EDGE, QUALITY, EFFORT = 640, 80, 2


def main() -> None:
    """Wait for a line on stdin before each round, so that both sides take turns."""
    content = Path(sys.argv[1]).read_bytes()
    pyvips.cache_set_max(0)  # or the second round would be none
    for _ in sys.stdin:
        began = time.process_time()
        small = pyvips.Image.thumbnail_buffer(content, EDGE, height=EDGE, size="down")
        small.webpsave_buffer(Q=QUALITY, effort=EFFORT, keep="none")
        print(time.process_time() - began, flush=True)


main()

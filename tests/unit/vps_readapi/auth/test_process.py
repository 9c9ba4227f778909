"""The process that checks passwords goes a little behind the one that answers reads."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from vps_readapi.auth.process import A_LITTLE, make_way

pytestmark = [
    pytest.mark.unit,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives each thread a priority"),
]
LOWEST = 19


def read_niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


USUAL = read_niceness()


def tell_niceness() -> None:
    make_way()
    with ThreadPoolExecutor(1) as threads:
        sys.exit(threads.submit(read_niceness).result())


def test_a_process_that_makes_way_does_so_with_its_threads() -> None:
    process = multiprocessing.get_context("spawn").Process(target=tell_niceness)
    process.start()
    process.join(60)
    assert process.exitcode == min(USUAL + A_LITTLE, LOWEST)

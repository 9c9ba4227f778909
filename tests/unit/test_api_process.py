"""A thread that computes goes last, but not for ever."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from infra.devstack.state import wait_until
from vps_readapi.auth.niceness import A_LITTLE, LOWEST, Courtesy, make_way

pytestmark = [
    pytest.mark.unit,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives each thread a priority"),
]


def read_niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


USUAL = read_niceness()
T = TypeVar("T")


def in_thread(function: Callable[[], T]) -> T:
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(function).result()


def may_come_back() -> bool:
    """Ask the system, in a thread that ends with it, whether a thread may step back and forth again."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), USUAL + 1)
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), USUAL)
    except OSError:
        return False
    return True


def may_come_back_here() -> bool:
    return in_thread(may_come_back)


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is not root may step back and not forth."""
    set_ = os.setpriority

    def only_back(which: int, who: int, niceness: int) -> None:
        if niceness < os.getpriority(which, who):
            raise PermissionError
        set_(which, who, niceness)

    monkeypatch.setattr(os, "setpriority", only_back)


def test_it_goes_last_and_is_as_before_afterwards() -> None:
    def run() -> tuple[bool, int, int]:
        courtesy = Courtesy()
        with courtesy.last_in_line():
            inside = read_niceness()
        return courtesy.comes_back, inside, read_niceness()

    comes_back, inside, after = in_thread(run)
    assert comes_back is may_come_back_here()
    if may_come_back_here():
        assert (inside, after) == (LOWEST, USUAL)
    else:
        assert (inside, after) == (USUAL + 1, USUAL + 1)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root surely comes back")
def test_it_loses_its_patience() -> None:
    def run() -> bool:
        with Courtesy().last_in_line(patience_s=0.05):
            return wait_until(lambda: read_niceness() == USUAL, 60)

    assert in_thread(run)


def test_who_may_not_come_back_goes_nowhere(refused: None) -> None:
    def run() -> tuple[int, int]:
        with Courtesy().last_in_line(patience_s=0.0):
            inside = read_niceness()
        return inside, read_niceness()

    assert in_thread(run) == (USUAL + 1,) * 2


def tell_niceness() -> None:
    make_way()
    sys.exit(in_thread(read_niceness))


def test_a_process_that_makes_way_does_so_with_its_threads() -> None:
    process = multiprocessing.get_context("spawn").Process(target=tell_niceness)
    process.start()
    process.join(60)
    assert process.exitcode == min(USUAL + A_LITTLE, LOWEST)


def test_an_error_in_the_block_is_passed_on_and_the_thread_comes_back() -> None:
    def run() -> int:
        courtesy = Courtesy()
        with pytest.raises(KeyError), courtesy.last_in_line():
            raise KeyError
        return read_niceness()

    assert in_thread(run) == (USUAL if may_come_back_here() else USUAL + 1)

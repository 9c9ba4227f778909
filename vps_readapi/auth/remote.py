"""Checks logins in a process of its own: bcrypt, its threads and its statements take no time from reads."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from db import lifetime
from db.backoff import choose_pause_s
from db.logs import log_event
from db.settings import PREFIX
from db.unforeseen import Unforeseen
from vps_readapi.auth.checker import CheckerSettings, open_checker
from vps_readapi.auth.checks import Checks, ChecksAwayError, LoginAnswer, LoginQuestion
from vps_readapi.auth.messages import LINE_BYTES, read_reply, write_question, write_settings

HUNG_S = 45.0
"""A process that answers nobody for so long, while somebody waits, is replaced; a slow check takes 10 s."""
LOOK_S = 5.0
"""How often that is looked at."""
RESTART_PAUSE_S = 1.0
MAX_PAUSE_S = 60.0
"""One that ends again and again is started less and less often."""
STOP_S = 2.0

log = logging.getLogger(__name__)


class CheckFailedError(Exception):
    """The other process could not answer, for a reason that stands in its log."""


class RemoteChecker:
    """Asks a process that it starts, and starts again when it ends."""

    def __init__(self, settings: CheckerSettings) -> None:
        self._settings = settings
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[LoginAnswer]] = {}
        self._heard_at = 0.0
        """When it answered last, or was first asked since everybody had an answer."""
        self._writer: asyncio.StreamWriter | None = None
        self._unforeseen = Unforeseen(log)

    async def check(self, question: LoginQuestion) -> LoginAnswer:
        """Answer. Raise ChecksAwayError, CheckFailedError."""
        if self._writer is None:
            raise ChecksAwayError
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[LoginAnswer] = loop.create_future()
        if not self._waiting:
            self._heard_at = loop.time()
        number = next(self._numbers)
        self._waiting[number] = answer
        try:
            self._writer.write(write_question(number, question))
            return await answer
        finally:
            self._waiting.pop(number, None)

    def give_up(self) -> None:
        """Let whoever waits, and whoever asks from now on, hear that nobody can say."""
        self._writer = None
        self._fail_all()

    async def keep_running(self) -> None:
        """Have the process until cancelled."""
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await self._run()
            except OSError:
                log.exception("login_checker_unstartable")
            except Exception as error:  # noqa: BLE001  # nobody else starts it again
                self._unforeseen.tell(error)
            lasted = time.monotonic() - began > MAX_PAUSE_S
            failures = 1 if lasted else failures + 1
            await asyncio.sleep(choose_pause_s(failures, first_s=RESTART_PAUSE_S, longest_s=MAX_PAUSE_S))

    async def _run(self) -> None:
        """Start it, and take its answers until it ends."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "vps_readapi.auth.process", str(theirs.fileno())]
            process = lifetime.start(
                command, handles=[theirs.fileno()], stdin=subprocess.DEVNULL, env=_environment()
            )
        reader, writer = await asyncio.open_connection(sock=ours, limit=LINE_BYTES)
        try:
            writer.write(write_settings(self._settings))
            self._writer = writer
            why = await self._take_all(reader)
            log_event(log, "login_checker_ended", level=logging.WARNING, why=why)
        finally:
            self._writer = None
            self._fail_all()
            writer.close()
            await _end(process)

    async def _take_all(self, reader: asyncio.StreamReader) -> str:
        """Take answers until there are no more; return why."""
        while True:
            try:
                line = await asyncio.wait_for(reader.readline(), LOOK_S)
                if not line:
                    return "gone"
                self._take(line)
            except TimeoutError:
                if self._waiting and asyncio.get_running_loop().time() - self._heard_at > HUNG_S:
                    return "hung"
            except ConnectionError:
                return "gone"
            except (KeyError, TypeError, ValueError):  # as from another version, upgraded meanwhile
                return "unreadable"

    def _take(self, line: bytes) -> None:
        reply = read_reply(line)
        self._heard_at = asyncio.get_running_loop().time()
        answer = self._waiting.get(reply.number)
        if answer is None or answer.done():
            return  # whoever asked is gone
        if reply.answer is not None:
            answer.set_result(reply.answer)
        else:
            answer.set_exception(ChecksAwayError() if reply.away else CheckFailedError())

    def _fail_all(self) -> None:
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ChecksAwayError())


def _environment() -> dict[str, str]:
    """Return ours without what is told on the socket alone."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


async def _end(process: lifetime.Child) -> None:
    """Wait until it has seen that we let go; kill it if it does not."""
    # Not asyncio's timeout: in a task that is being cancelled, Python 3.11.2's is no TimeoutError.
    try:
        await asyncio.to_thread(process.wait, STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        await asyncio.to_thread(process.wait)


@asynccontextmanager
async def open_checks(settings: CheckerSettings) -> AsyncIterator[Checks]:
    """Build what checks logins; on Windows, which gives no socket to a child by its number, here."""
    if sys.platform == "win32":
        async with open_checker(settings) as checker:
            yield checker
        return
    remote = RemoteChecker(settings)
    running = asyncio.create_task(remote.keep_running())
    try:
        yield remote
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

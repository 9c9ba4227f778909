"""The process that checks logins, so that reads never wait for one: `python -m vps_readapi.auth.process FD`.

The API starts it and tells it everything on the socket FD; when the API is gone, so is this.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys

from db.loading import loading

with loading():
    from db.logs import start_logging
    from vps_readapi.auth.checker import Checker, open_checker
    from vps_readapi.auth.messages import LINE_BYTES, Reply, read_question, read_settings, write_reply
    from vps_readapi.database import DATABASE_ERRORS, is_away, log_database_error
    from vps_readapi.loops import find_loop

A_LITTLE = 5
"""Steps behind the API. Beside two busy processes a core a check takes 2.3 s; at the lowest priority 42 s."""

log = logging.getLogger(__name__)


class Answerer:
    """Answers each question in a task of its own."""

    def __init__(self, checker: Checker, writer: asyncio.StreamWriter) -> None:
        self._checker = checker
        self._writer = writer
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, line: bytes) -> None:
        """Begin to answer."""
        task = asyncio.create_task(self._answer(line))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, line: bytes) -> None:
        number, question = read_question(line)
        try:
            reply = Reply(number, await self._checker.check(question))
        except Exception as error:
            if isinstance(error, DATABASE_ERRORS):
                log_database_error(error)
            else:
                log.exception("check_failed")
            reply = Reply(number, None, away=is_away(error))
        self._writer.write(write_reply(reply))


async def work(own: socket.socket) -> None:
    """Answer until the other end is gone."""
    reader, writer = await asyncio.open_connection(sock=own, limit=LINE_BYTES)
    told = await reader.readline()
    if not told:
        return
    async with open_checker(read_settings(told)) as checker:
        answerer = Answerer(checker, writer)
        while line := await reader.readline():
            answerer.take(line)


def make_way() -> None:
    """Have this process, and every thread that it starts, go a little behind others, where there is a way."""
    if hasattr(os, "nice"):
        os.nice(A_LITTLE)


def main() -> None:
    """Work on the socket whose number is the argument, until the API lets go."""
    start_logging()
    make_way()
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)
    own = socket.socket(fileno=int(sys.argv[1]))
    with (
        contextlib.suppress(ConnectionError, asyncio.IncompleteReadError),
        asyncio.Runner(loop_factory=find_loop()) as runner,
    ):
        runner.run(work(own))


if __name__ == "__main__":
    main()

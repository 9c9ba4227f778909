"""The SGP of the live questions' tests, in a process of its own, and what it was asked."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db.waiting import wait_until
from tests.ports import find_free_port


@dataclass(frozen=True)
class RunningSgp:
    """Its process."""

    port: int
    log_file: Path

    @property
    def url(self) -> str:
        """Return the address."""
        return f"http://127.0.0.1:{self.port}"

    def asked(self) -> list[dict[str, Any]]:
        """Return what arrived, in order."""
        lines = self.log_file.read_text().splitlines() if self.log_file.exists() else []
        return [json.loads(line) for line in lines]

    def targets(self) -> list[str]:
        """Return the addresses that were asked for."""
        return [one["target"] for one in self.asked()]

    def forget(self) -> None:
        """Begin to note anew."""
        self.log_file.write_text("")

    def tell(self, command: str) -> None:
        """Command it: `hold`, `release`, `log`."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("POST", f"/test/{command}")
            connection.getresponse().read()


@contextmanager
def run_sgp() -> Iterator[RunningSgp]:
    """Run it for the length of a block."""
    with tempfile.TemporaryDirectory() as folder:
        sgp = RunningSgp(find_free_port(), Path(folder, "asked.jsonl"))
        root = Path(__file__).parents[1]
        command = [sys.executable, "-m", "tests.sgp_server", str(sgp.port), str(sgp.log_file)]
        process = subprocess.Popen(command, cwd=root)
        try:
            if not wait_until(lambda: _answers(sgp), 60):
                raise RuntimeError("the SGP of the tests does not start")
            yield sgp
        finally:
            process.terminate()
            process.wait(15)


def _answers(sgp: RunningSgp) -> bool:
    try:
        sgp.tell("release")
    except OSError:
        return False
    return True

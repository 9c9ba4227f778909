"""A phone, as the demo has one: it logs in, asks for orders, and for what only SGP knows."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from db.waiting import wait_until
from infra.devstack.errors import DevstackError
from infra.devstack.seed import DEMO_LOGIN

DEADLINE_S = 60.0


class DemoError(DevstackError):
    """A change did not arrive."""


@dataclass(frozen=True)
class LiveAnswer:
    """What came of a live question."""

    status: int
    source: str
    age_s: int
    content: Any


class Phone:
    """It has one session."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._token = ""

    def log_in(self) -> None:
        """Get a token, waiting until the credentials have arrived. Raise DemoError if they do not."""
        if not wait_until(self._logged_in, DEADLINE_S):
            raise DemoError("nobody can log in on the VPS", "look in worker.log and api.log")

    def _logged_in(self) -> bool:
        username, password = DEMO_LOGIN
        try:
            answer = self._call("/auth/login", {"username": username, "password": password})
        except (urllib.error.URLError, OSError):
            return False
        self._token = answer["session_token"]
        return True

    def list_pedidos(self) -> list[dict[str, Any]]:
        """Return the PWA's whole list."""
        answer: list[dict[str, Any]] = self._call("/pedidos/")
        return answer

    def get_pedido(self, pedido_id: int) -> dict[str, Any]:
        """Return one order."""
        answer: dict[str, Any] = self._call(f"/pedidos/{pedido_id}")
        return answer

    def ask_live(self, path: str) -> LiveAnswer:
        """Ask something that only SGP knows."""
        request = urllib.request.Request(  # noqa: S310  # loopback
            self.url + path, headers={"Authorization": f"Bearer {self._token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                fields = answer.headers
                return LiveAnswer(answer.status, fields["sync-source"], int(fields["age"]), json.load(answer))
        except urllib.error.HTTPError as error:
            return LiveAnswer(error.code, "", 0, json.load(error))

    def _call(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(self.url + path, data=data, headers=headers)  # noqa: S310  # loopback
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.load(answer)

"""A shop with logins: the road, the worker's jobs that they depend on, and the API at the far end."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import bcrypt
import jwt
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from db.credentials import CredentialKeys
from db.sqlfile import read_blocks
from infra.devstack.seed import DEMO_JWT_SECRET, USERS, sign_token
from tests.fix_api import Client, RunningApi, run_api
from tests.fix_road import DEADLINE_S, ROLE_PASSWORD, Road
from thumbnail_worker.connection import JobConnection
from thumbnail_worker.jobs.credentials import CredentialsJob
from thumbnail_worker.jobs.job import Job, keep_running
from thumbnail_worker.jobs.revocations import RevocationsJob
from thumbnail_worker.sgp import SgpServer

COST = 12
"""SGP's."""
OLD_KEY, NEW_KEY = "o" * 40, "n" * 40
BEFORE = CredentialKeys("k1", {"k1": OLD_KEY.encode()})
TURNED = CredentialKeys("k2", {"k2": NEW_KEY.encode(), "k1": OLD_KEY.encode()})
IDS = {user.username: number for number, user in enumerate(USERS, start=1)}
PASSWORDS = {user.username: user.password for user in USERS}
NO_TOKEN = "-"


class Worker:
    """The worker's two jobs that logins depend on, with its own roles' rights."""

    def __init__(self, road: Road, keys: CredentialKeys) -> None:
        listen = read_blocks("thumbnail_worker", "queries")
        self._road = road
        self._stop = threading.Event()
        jobs: Sequence[Job] = (
            CredentialsJob(
                SgpServer(self._session("sgp")), self._session("vitrine", listen["listen_users"]), keys=keys
            ),
            RevocationsJob(
                SgpServer(self._session("sgp")), self._session("vitrine", listen["listen_revocations"])
            ),
        )
        self._threads = [threading.Thread(target=keep_running, args=(job, self._stop)) for job in jobs]
        for thread in self._threads:
            thread.start()

    def _session(self, name: str, on_open: str | None = None) -> JobConnection:
        conninfo = self._road.servers.clusters[name].conninfo(name)
        given = make_conninfo(conninfo, user="ponte_worker", password=ROLE_PASSWORD)
        return JobConnection(name, SecretStr(given), on_open=on_open)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(DEADLINE_S)


@dataclass
class Shop:
    """The road, the API on its far end, and who writes in SGP."""

    road: Road
    api: RunningApi
    worker: Worker
    clients: list[Client] = field(default_factory=list)

    def open(self, token: str = NO_TOKEN) -> Client:
        client = Client(self.api.port, token=token)
        self.clients.append(client)
        return client

    def log_in(self, username: str, password: str | None = None) -> Client:
        """Return a client with a new session."""
        client = self.open()
        answer = client.log_in(username, password or PASSWORDS[username])
        assert answer.status == 200, answer.content
        client.token = answer.json()["session_token"]
        return client

    def set_password(self, username: str, password: str, *, cost: int = COST) -> str:
        """Set a password as SGP does; return what it stores."""
        stored = bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()
        statement = 'UPDATE "user" SET (password_hash, password_plain) = (%s, %s) WHERE id = %s'
        self.road.run("sgp", statement, stored, password, IDS[username])
        return stored

    def log_out_in_sgp(self, token: str) -> None:
        ends = datetime.fromtimestamp(jwt.decode(token, options={"verify_signature": False})["exp"], UTC)
        self.road.run(
            "sgp",
            "INSERT INTO revoked_tokens (token, expires_at, revoked_at) VALUES (%s, %s, %s)",
            token,
            ends.isoformat(),
            datetime.now(UTC).isoformat(),
        )

    def wait_status(self, client: Client, status: int, what: str) -> None:
        self.road.wait(lambda: client.get("/auth/me").status == status, what)

    def wait_login(self, username: str, password: str, status: int) -> None:
        """Try until the answer is that, as if nobody had failed before."""
        client = self.open()

        def tries() -> bool:
            self.road.run("vps", "TRUNCATE auth.attempts")
            return client.log_in(username, password).status == status

        self.road.wait(tries, f"a login with {status}")


@pytest.fixture(scope="module")
def shop(mended_road: Road) -> Iterator[Shop]:
    settings = {
        "PONTE_CREDENTIAL_KEY": NEW_KEY,
        "PONTE_CREDENTIAL_KEY_ID": "k2",
        "PONTE_PREVIOUS_CREDENTIAL_KEY": OLD_KEY,
        "PONTE_PREVIOUS_CREDENTIAL_KEY_ID": "k1",
        "sgp_token_key": DEMO_JWT_SECRET,
        "processes": "2",
    }
    vps = mended_road.servers.clusters["vps"].conninfo("vps")
    with run_api(vps, password=ROLE_PASSWORD, **settings) as api:
        one = Shop(mended_road, api, Worker(mended_road, BEFORE))
        mended_road.wait(lambda: _is_sealed(mended_road), "the credentials on the VPS")
        yield one
        for client in one.clients:
            client.close()
        one.worker.stop()


def _is_sealed(road: Road) -> bool:
    [[count]] = road.run("vps", "SELECT count(*) FROM vitrine.credenciais WHERE user_id <> 0")
    return count == sum(user.stored != "plain" for user in USERS)


def sgp_token(username: str, *, age: timedelta = timedelta(0), life: timedelta = timedelta(days=8)) -> str:
    return sign_token(IDS[username], expires_at=datetime.now(UTC) - age + life)

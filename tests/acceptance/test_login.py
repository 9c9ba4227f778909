"""The same password on the desktop and on the phone: SGP's changes, the worker, the road, the API."""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
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
from thumbnail_worker.credentials import CredentialsJob
from thumbnail_worker.job import Job, keep_running
from thumbnail_worker.revocations import RevocationsJob
from thumbnail_worker.session import Session

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

COST = 12
"""SGP's."""
OLD_KEY, NEW_KEY = "o" * 40, "n" * 40
BEFORE = CredentialKeys("k1", {"k1": OLD_KEY.encode()})
TURNED = CredentialKeys("k2", {"k2": NEW_KEY.encode(), "k1": OLD_KEY.encode()})
TOKEN_KEY = "t" * 40
IDS = {user.username: number for number, user in enumerate(USERS, start=1)}
PASSWORDS = {user.username: user.password for user in USERS}
NO_TOKEN = "-"
MARK = "marca-que-pode-estar-na-vps"


class Worker:
    """The worker's two jobs that logins depend on, with its own roles' rights."""

    def __init__(self, road: Road, keys: CredentialKeys) -> None:
        listen = read_blocks("thumbnail_worker", "queries")
        self._road = road
        self._stop = threading.Event()
        jobs: Sequence[Job] = (
            CredentialsJob(self._session("sgp"), self._session("vitrine", listen["listen_users"]), keys=keys),
            RevocationsJob(self._session("sgp"), self._session("vitrine", listen["listen_revocations"])),
        )
        self._threads = [threading.Thread(target=keep_running, args=(job, self._stop)) for job in jobs]
        for thread in self._threads:
            thread.start()

    def _session(self, name: str, on_open: str | None = None) -> Session:
        conninfo = self._road.servers.clusters[name].conninfo(name)
        given = make_conninfo(conninfo, user="ponte_worker", password=ROLE_PASSWORD)
        return Session(name, SecretStr(given), on_open=on_open)

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
    [[count]] = road.run("vps", "SELECT count(*) FROM vitrine.credenciais")
    return count == sum(user.stored != "plain" for user in USERS)


@pytest.fixture(autouse=True)
def patient(shop: Shop) -> None:
    """No test is slowed down by the failures of another."""
    shop.road.run("vps", "TRUNCATE auth.attempts")


def sgp_token(username: str, *, age: timedelta = timedelta(0), life: timedelta = timedelta(days=8)) -> str:
    return sign_token(IDS[username], expires_at=datetime.now(UTC) - age + life)


def test_every_active_user_logs_in_with_what_opens_sgp(shop: Shop) -> None:
    for user in USERS:
        answer = shop.open().log_in(user.username, user.password)
        if user.stored == "plain" or len(user.password.encode()) > 72:
            assert answer.status == 401, user.username
        elif not user.is_active:
            assert (answer.status, answer.json()["detail"]) == (403, "Usuário inativo")
        else:
            shown = answer.json()
            assert (shown["user_id"], shown["setor"]) == (IDS[user.username], user.setor or "geral")
            assert shop.open(shown["session_token"]).get("/pedidos/1").status == 200


def test_who_has_no_bcrypt_hash_can_be_named(shop: Shop) -> None:
    rows = shop.road.run("vitrine", "SELECT user_id, reason FROM projection.unsynced_credentials")
    assert rows == [(IDS["texto.puro"], "not_bcrypt")]


def test_a_password_set_in_sgp_opens_the_vps_and_the_former_one_ends_with_its_sessions(shop: Shop) -> None:
    name, new = "ines.vendas", f"{MARK}-nova-senha"
    sessions = [shop.log_in(name), shop.open(sgp_token(name, age=timedelta(minutes=1)))]
    other = shop.log_in("admin")
    assert {one.get("/pedidos/1").status for one in sessions} == {200}
    shop.set_password(name, new)
    shop.wait_login(name, new, 200)
    assert shop.open().log_in(name, PASSWORDS[name]).status == 401
    assert {one.get(path).status for one in sessions for path in ("/pedidos/1", "/auth/me")} == {401}
    assert other.get("/pedidos/1").status == 200
    assert shop.log_in(name, new).get("/pedidos/1").status == 200
    shop.road.wait(
        lambda: shop.open(sgp_token(name)).get("/pedidos/1").status == 200,
        "a session that SGP gave afterwards",
    )


def test_a_password_that_becomes_plain_text_ends_its_sessions_too(shop: Shop) -> None:
    name = "luis.expedicao"
    sessions = [shop.log_in(name), shop.open(sgp_token(name, age=timedelta(minutes=1)))]
    shop.road.run("sgp", 'UPDATE "user" SET password_hash = %s WHERE id = %s', "texto", IDS[name])
    for session in sessions:
        shop.wait_status(session, 401, "the end of the session")
    assert [shop.open().log_in(name, given).status for given in ("texto", PASSWORDS[name])] == [401, 401]
    shop.set_password(name, PASSWORDS[name], cost=4)
    shop.wait_login(name, PASSWORDS[name], 200)
    assert {session.get("/auth/me").status for session in sessions} == {401}


def test_a_user_who_is_dismissed_is_out_and_may_come_back(shop: Shop) -> None:
    name = "otavio.costura"
    session = shop.log_in(name)
    for active, status, login in ((False, 401, 403), (True, 200, 200)):
        shop.road.run("sgp", 'UPDATE "user" SET is_active = %s WHERE id = %s', active, IDS[name])
        shop.wait_status(session, status, f"a session of somebody with is_active = {active}")
        assert shop.open().log_in(name, PASSWORDS[name]).status == login


def test_a_renamed_user_keeps_his_session_and_loses_his_name(shop: Shop) -> None:
    name, new = "debora.impressao", "débora.d'água"
    session = shop.log_in(name)
    rename = 'UPDATE "user" SET username = %s WHERE id = %s'
    shop.road.run("sgp", rename, new, IDS[name])
    shop.road.wait(lambda: session.get("/auth/me").json()["username"] == new, "the new name")
    assert shop.open().log_in(name, PASSWORDS[name]).status == 401
    assert shop.open().log_in(new, PASSWORDS[name]).status == 200
    shop.road.run("sgp", rename, name, IDS[name])
    shop.wait_login(name, PASSWORDS[name], 200)


def test_a_logout_in_sgp_ends_that_session_alone(shop: Shop) -> None:
    ours = shop.log_in("sonia.conferencia")
    ended, other = (shop.open(sgp_token("sonia.conferencia", age=timedelta(days=age))) for age in (1, 2))
    assert {one.get("/pedidos/1").status for one in (ours, ended, other)} == {200}
    shop.log_out_in_sgp(ended.token)
    shop.wait_status(ended, 401, "the end of the session")
    assert {shop.open(ended.token).get(path).status for path in ("/pedidos/1", "/auth/me") * 4} == {401}
    assert {one.get("/pedidos/1").status for one in (ours, other)} == {200}


def test_a_key_is_turned_and_nobody_notices(shop: Shop) -> None:
    names = ("admin", "regis.financeiro", "ines.vendas")
    shop.set_password("ines.vendas", PASSWORDS["ines.vendas"], cost=4)
    shop.wait_login("ines.vendas", PASSWORDS["ines.vendas"], 200)
    sessions = [shop.log_in(name) for name in names]
    query = "SELECT user_id, mudou_em FROM vitrine.credenciais ORDER BY user_id"
    before = shop.road.run("vps", query)
    shop.worker.stop()
    shop.worker = Worker(shop.road, TURNED)
    left = "SELECT 1 FROM vitrine.credenciais WHERE key_id = 'k1' AND salt <> ''"
    shop.road.wait(lambda: shop.road.run("vps", left) == [], "every password under the new key")
    assert shop.road.run("vps", query) == before
    assert {one.get("/pedidos/1").status for one in sessions} == {200}
    assert [shop.open().log_in(name, PASSWORDS[name]).status for name in names] == [200] * 3


# ---------------------------------------------------------------- attacks


def encode(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def forge(
    header: Mapping[str, object], payload: Mapping[str, object], key: str, digest: str = "sha256"
) -> str:
    signed = f"{encode(header)}.{encode(payload)}"
    signature = base64.urlsafe_b64encode(hmac.digest(key.encode(), signed.encode(), digest))
    return f"{signed}.{signature.rstrip(b'=').decode()}"


NOW = int(time.time())
OURS = {"alg": "HS256", "typ": "JWT", "kid": "t1"}
SGPS = {"alg": "HS256", "typ": "JWT"}
CLAIMS = {"sub": "admin", "user_id": 1, "exp": NOW + 86400, "iat": NOW, "jti": "x", "cred": 0}
SGP_CLAIMS = {"sub": "admin", "user_id": 1, "exp": NOW + 86400}
GOOD = {"ours": forge(OURS, CLAIMS, TOKEN_KEY), "sgp's": forge(SGPS, SGP_CLAIMS, DEMO_JWT_SECRET)}
ATTACKS = {
    "no token": "",
    "nonsense": "abc",
    "alg none": forge(OURS | {"alg": "none"}, CLAIMS, TOKEN_KEY).rpartition(".")[0] + ".",
    "alg none, signed": forge(OURS | {"alg": "none"}, CLAIMS, TOKEN_KEY),
    "alg none, sgp's": forge(SGPS | {"alg": "none"}, SGP_CLAIMS, DEMO_JWT_SECRET),
    "another algorithm": forge(OURS | {"alg": "HS512"}, CLAIMS, TOKEN_KEY, "sha512"),
    "a public key's algorithm": forge(OURS | {"alg": "RS256"}, CLAIMS, TOKEN_KEY),
    "expired": forge(OURS, CLAIMS | {"exp": NOW - 1, "iat": NOW - 9}, TOKEN_KEY),
    "expired, sgp's": forge(SGPS, SGP_CLAIMS | {"exp": NOW - 1}, DEMO_JWT_SECRET),
    "from the future": forge(OURS, CLAIMS | {"iat": NOW + 7200}, TOKEN_KEY),
    "from the future, sgp's": forge(SGPS, SGP_CLAIMS | {"exp": NOW + 9 * 86400}, DEMO_JWT_SECRET),
    "not yet": forge(OURS, CLAIMS | {"nbf": NOW + 7200}, TOKEN_KEY),
    "a foreign key's id": forge(OURS | {"kid": "t9"}, CLAIMS, TOKEN_KEY),
    "a key's id that is a path": forge(OURS | {"kid": "/dev/null"}, CLAIMS, ""),
    "a key's id that is SQL": forge(OURS | {"kid": "' OR '1'='1"}, CLAIMS, TOKEN_KEY),
    "our key without its id": forge(SGPS, SGP_CLAIMS, TOKEN_KEY),
    "sgp's key under our id": forge(OURS, CLAIMS, DEMO_JWT_SECRET),
    "sgp's claims with our key": forge(OURS, SGP_CLAIMS, TOKEN_KEY),
    "a guessed key": forge(OURS, CLAIMS, "secret"),
    "a key of its own": forge(OURS | {"jwk": {"kty": "oct", "k": "eHh4"}}, CLAIMS, "xxx"),
    "the signature of another": GOOD["ours"].rpartition(".")[0] + "." + GOOD["sgp's"].rpartition(".")[2],
    "somebody inactive": forge(OURS, CLAIMS | {"user_id": IDS["yara.inativa"]}, TOKEN_KEY),
    "somebody inactive, sgp's": sign_token(
        IDS["yara.inativa"], expires_at=datetime.now(UTC) + timedelta(days=1)
    ),
    "nobody": forge(OURS, CLAIMS | {"user_id": 999}, TOKEN_KEY),
    "an id that is SQL": forge(OURS, CLAIMS | {"user_id": "1 OR true"}, TOKEN_KEY),
    "an id out of range": forge(OURS, CLAIMS | {"user_id": 2**40}, TOKEN_KEY),
    "a password of another time": forge(OURS, CLAIMS | {"cred": 1}, TOKEN_KEY),
    "oversized": forge(OURS, CLAIMS | {"sub": "a" * 5000}, TOKEN_KEY),
    "nested deep": encode(OURS) + "." + "W" * 3000 + "." + "A" * 43,
}


@pytest.mark.parametrize("kind", GOOD)
def test_what_the_attacks_are_made_of_is_good(shop: Shop, kind: str) -> None:
    assert shop.open(GOOD[kind]).get("/pedidos/1").status == 200


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_bad_token_is_refused_without_a_word_why(shop: Shop, attack: str) -> None:
    client = shop.open(ATTACKS[attack] or NO_TOKEN)
    for path in ("/pedidos/1", "/pedidos/", "/auth/me", "/eventos"):
        answer = client.get(path)
        assert answer.status == 401
        assert answer.json()["detail"] == "Sessão inválida ou expirada; entre novamente"


def test_a_session_that_was_ended_is_not_revived_by_writing_it_otherwise(shop: Shop) -> None:
    session = shop.log_in("regis.financeiro")
    assert session.log_out().status == 200
    token = session.token
    head, _, signature = token.rpartition(".")
    twins = [
        f"{token[:-1]}{chr(ord(token[-1]) + 1)}",
        f"{token}=",
        f"{token}!",
        f"{head}.{signature}.{signature}",
    ]
    for twin in (token, *twins):
        assert {shop.open(twin).get(path).status for path in ("/pedidos/1", "/auth/me")} == {401}


NAMES = [
    "admin' --",
    "' OR '1'='1",
    "admin'; DROP TABLE vitrine.usuarios; --",
    "ADMIN",
    " admin",
    "admin ",
    "admin\x00",
    "admin\r\nSet-Cookie: a=b",
    "%",
    "\ud800",
    "\u200badmin",
    "",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_that_is_not_quite_one_opens_nothing(shop: Shop, name: str) -> None:
    answer = shop.open().log_in(name, PASSWORDS["admin"])
    assert answer.status in {401, 422}
    assert "set-cookie" not in answer.headers
    assert b"Traceback" not in answer.content


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        '{"username": "admin"}',
        '{"username": ["admin"], "password": {"$ne": 1}}',
        "[" * 9000,
    ],
)
def test_a_body_that_is_none_is_refused(shop: Shop, body: str) -> None:
    assert shop.open().get("/auth/login", method="POST", body=body).status == 422


# ---------------------------------------------------------------- what is left behind


def find_in_files(road: Road, name: str, wanted: dict[str, bytes]) -> set[str]:
    """Search an endpoint's whole data directory, its WAL included."""
    road.run(name, "CHECKPOINT")
    files = (path for path in road.servers.clusters[name].spec.data_dir.rglob("*") if path.is_file())
    return {
        what
        for path in files
        for content in [path.read_bytes()]
        for what in wanted
        if wanted[what] in content
    }


def test_nothing_on_the_vps_opens_anything(shop: Shop) -> None:
    name, password = "iris.designer", f"CANARIO-senha-{NOW}"
    stored = shop.set_password(name, password, cost=4)
    shop.wait_login(name, password, 200)
    shop.open().log_in(name, f"{password}-errada")
    ours, sgps = shop.log_in(name, password), shop.open(sgp_token(name, age=timedelta(hours=1)))
    ours.log_out()
    shop.log_out_in_sgp(sgps.token)
    shop.wait_status(sgps, 401, "the end of SGP's session")
    shop.road.run("sgp", "UPDATE pedidos SET observacao = %s WHERE id = 1", MARK)
    shop.road.wait_arrival()
    secrets = {
        "the new password": password,
        "its hash": stored,
        "the hash without its salt": stored[29:],
        "our token": ours.token,
        "our token's signature": ours.token.rpartition(".")[2],
        "sgp's token": sgps.token,
        "sgp's token's signature": sgps.token.rpartition(".")[2],
        "the credentials' key": NEW_KEY,
        "the former key": OLD_KEY,
        "the tokens' key": TOKEN_KEY,
        "sgp's secret": DEMO_JWT_SECRET,
        "the address that failed": "192.0.2.1",
    }
    for key, hashed, plain in shop.road.run("sgp", 'SELECT id, password_hash, password_plain FROM "user"'):
        secrets |= {f"the hash of {key}": str(hashed), f"the password of {key}": str(plain)}
    wanted = {what: secret.encode() for what, secret in secrets.items()}
    assert find_in_files(shop.road, "vps", wanted | {"mark": MARK.encode()}) == {"mark"}
    assert not any(secret in shop.api.log_file.read_bytes() for secret in wanted.values())
    assert find_in_files(shop.road, "sgp", wanted) >= {"the new password", "its hash", "sgp's token"}

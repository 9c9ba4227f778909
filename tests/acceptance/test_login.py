"""The same password on the desktop and on the phone: SGP's changes, the worker, the road, the API."""

from __future__ import annotations

from datetime import timedelta

import pytest

from infra.devstack.seed import DEMO_JWT_SECRET, USERS
from tests.fix_api import TOKEN_KEY
from tests.fix_attacks import ATTACKS, GOOD, HOSTS, NAMES, NOW
from tests.fix_road import Road
from tests.fix_shop import IDS, NEW_KEY, NO_TOKEN, OLD_KEY, PASSWORDS, TURNED, Shop, Worker, sgp_token

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]

MARK = "marca-que-pode-estar-na-vps"


@pytest.fixture(autouse=True)
def patient(shop: Shop) -> None:
    """No test is slowed down by the failures of another."""
    shop.road.run("vps", "TRUNCATE auth.attempts")


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


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_that_is_not_quite_one_opens_nothing(shop: Shop, name: str) -> None:
    answer = shop.open().log_in(name, PASSWORDS["admin"])
    assert answer.status in {401, 422}
    assert "set-cookie" not in answer.headers
    assert b"Traceback" not in answer.content


@pytest.mark.parametrize("host", HOSTS, ids=ascii)
def test_an_address_that_is_none_is_only_counted(shop: Shop, host: str) -> None:
    assert shop.open().log_in("admin", "errada", host=host).status == 401


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

"""What a stolen credential of the VPS can fetch, by every way that PostgreSQL has: the window, no more."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.pq import ExecStatus
from pydantic import SecretStr

from db.credentials import CredentialKeys
from infra.devstack.seed import CANARIES, ITEM_CANARIES, insert_order
from infra.devstack.seed.canaries import make_canary
from tests.fix_clusters import PASSWORD
from tests.fix_push import declare_pushed, run_pushed, switch_to
from tests.fix_road import ROLE_PASSWORD, Road
from thumbnail_worker.connection import JobConnection as WorkerConnection
from thumbnail_worker.jobs.credentials import CredentialsJob
from thumbnail_worker.sgp import SgpServer

EXPORT_ROLE = "ponte_export_vps"
CANARY = re.compile(rb"CANARIO-[0-9A-Za-z_.-]+?-[0-9a-f]{12}")
MARK = "SINAL-que-pode-sair"
CREDENTIAL_KEY = "chave-das-credenciais-0123456789"


SHORT = f'[{{"descricao": "Faixa", "valor_unitario": "{make_canary("short")}"}}]'
"""Too short to be compressed, so that a search in files sees it."""


def credential(road: Road, **extra: str) -> str:
    """Return how a thief connects with what the VPS holds."""
    given = {"user": EXPORT_ROLE, "password": ROLE_PASSWORD, "dbname": "vitrine", **extra}
    return make_conninfo(road.servers.clusters["vitrine"].conninfo("vitrine"), **given)


def read_base_backup(conninfo: str) -> bytes:
    """Ask for the whole cluster with its WAL, through the connection that logical replication uses."""
    pieces = []
    with psycopg.connect(conninfo, replication="database", autocommit=True) as conn:
        server = conn.pgconn
        server.send_query(b"BASE_BACKUP (LABEL 'thief', CHECKPOINT 'fast', WAL true)")
        while (result := server.get_result()) is not None:
            assert result.status is not ExecStatus.FATAL_ERROR, result.error_message.decode()
            while result.status == ExecStatus.COPY_OUT:
                size, piece = server.get_copy_data(0)
                if size < 0:
                    break
                pieces.append(bytes(piece))
    return b"".join(pieces)


def find_canaries(content: bytes) -> set[str]:
    return {found.decode() for found in CANARY.findall(content)}


def read_files(root: Path) -> Iterator[bytes]:
    for path in root.rglob("*"):
        if path.is_file():
            yield path.read_bytes()


def find_secrets(road: Road) -> dict[str, bytes]:
    """Gather what must be nowhere: passwords, hashes, verifiers and tokens of SGP's side."""
    secrets = {"the superuser's password": PASSWORD, "the roles' password": ROLE_PASSWORD}
    for key, hashed, plain in road.run("sgp", 'SELECT id, password_hash, password_plain FROM "user"'):
        secrets |= {f"the hash of user {key}": str(hashed), f"the password of user {key}": str(plain)}
    for name, verifier in road.run(
        "sgp", "SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword <> ''"
    ):
        secrets[f"sgp's verifier of {name}"] = str(verifier)
    for key, token in road.run("sgp", "SELECT id, token FROM revoked_tokens"):
        secrets[f"token {key}"] = str(token)
    secrets["the credentials' key"] = CREDENTIAL_KEY
    return {what: secret.encode() for what, secret in secrets.items()}


@pytest.fixture(scope="module")
def busy_road(mended_road: Road) -> Road:
    """The module's road with credentials on it, after changes of public and of secret columns."""
    road = mended_road
    sgp, vitrine = (SecretStr(road.servers.clusters[name].conninfo(name)) for name in ("sgp", "vitrine"))
    job = CredentialsJob(
        SgpServer(WorkerConnection("sgp", sgp)),
        WorkerConnection("vitrine", vitrine),
        keys=CredentialKeys("k1", {"k1": CREDENTIAL_KEY.encode()}),
    )
    job.run(threading.Event())
    job.close()
    road.run("sgp", "UPDATE pedidos SET observacao = %s WHERE id < 10", MARK)
    road.run("sgp", "UPDATE pedidos SET items = %s WHERE id = 9", SHORT)
    road.run(
        "sgp",
        "UPDATE pedidos SET obs_pagamento = obs_pagamento || '!', tipo_pagamento = 'x' || tipo_pagamento",
    )
    road.run(
        "sgp", "UPDATE \"user\" SET password_plain = password_plain || '!', updated_at = updated_at || '!'"
    )
    road.wait_arrival()
    return road


def test_a_base_backup_with_the_vps_credential_holds_no_secret(busy_road: Road) -> None:
    content = read_base_backup(credential(busy_road))
    assert MARK.encode() in content, "the backup does not hold what it should"
    assert find_canaries(content) == set(), "also of what is written inside items"
    [[digest]] = busy_road.run("vitrine", "SELECT digest FROM projection.cleaned WHERE id = 9")
    assert digest.bytes == md5(SHORT.encode(), usedforsecurity=False).digest()  # type: ignore[attr-defined]
    assert digest.bytes not in content, "whoever has it finds out by trying what was left out"  # type: ignore[attr-defined]
    assert [what for what, secret in find_secrets(busy_road).items() if secret in content] == []
    # The same look at SGP's own cluster finds nearly all of them: the search is able to fail.
    own = read_base_backup(busy_road.servers.clusters["sgp"].conninfo("sgp"))
    assert find_canaries(own) >= set(CANARIES.values())
    assert make_canary("short") in find_canaries(own)
    found = [what for what, secret in find_secrets(busy_road).items() if secret in own]
    assert any("hash" in what for what in found)
    assert any("verifier" in what for what in found)
    check_vps_files(busy_road)


def test_landing_keeps_nothing_of_an_item_that_the_window_is_not_made_of(busy_road: Road) -> None:
    """What is compressed is not seen in files, so each row is read."""
    sent = "\n".join(text for (text,) in busy_road.run("sgp", "SELECT items FROM pedidos") if text)  # type: ignore[misc]
    assert find_canaries(sent.encode()) >= set(ITEM_CANARIES.values()), "nothing that could be left out"
    kept = "\n".join(text for (text,) in busy_road.run("vitrine", "SELECT items FROM pedidos") if text)  # type: ignore[misc]
    assert kept.count("descricao") > 10
    assert find_canaries(kept.encode()) == set()
    assert "data:" not in kept.lower()


def test_what_a_base_backup_holds_is_listed(busy_road: Road) -> None:
    told = Path("docs/adr/0001-vitrine.md").read_text(encoding="utf-8")
    tables = (
        "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p', 'm') AND relpersistence = 'p'"
    )
    held = busy_road.run(
        "vitrine",
        f"{tables} AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')",
    )
    names = {name if "." in str(name) else f"public.{name}" for (name,) in held}
    assert len(names) > 20
    assert {name for name in names if f"`{name}`" not in told} == set()


def check_vps_files(busy_road: Road) -> None:
    """Nothing that the landing tables may hold is there either."""
    busy_road.run("vps", "CHECKPOINT")
    secrets = find_secrets(busy_road)
    marked = False
    for content in read_files(busy_road.servers.clusters["vps"].spec.data_dir):
        marked |= MARK.encode() in content
        assert find_canaries(content) == set()
        assert [what for what, secret in secrets.items() if secret in content] == []
    assert marked, "the search does not see what is there"


def test_the_vps_credential_reads_the_window_by_sql_and_nothing_else(busy_road: Road) -> None:
    tables = busy_road.run(
        "vitrine",
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_schema)'"
        " OR c.relname = 'pg_authid'",
    )
    readable, text = set(), ""
    with psycopg.connect(credential(busy_road), autocommit=True) as thief:
        for schema, table in tables:
            name = sql.Identifier(str(schema), str(table))
            try:
                text += str(thief.execute(sql.SQL("SELECT * FROM {}").format(name)).fetchall())
            except psycopg.errors.InsufficientPrivilege:
                continue
            readable.add(f"{schema}.{table}")
    assert readable == {
        str(table.name) for export in busy_road.declaration.exports for table in export.tables
    }
    assert MARK in text
    assert find_canaries(text.encode()) == set()
    assert [what for what, secret in find_secrets(busy_road).items() if secret.decode() in text] == []


def check_credentials(road: Road) -> None:
    """A password travels as the salt of its hash and a keyed digest."""
    sealed = road.run(
        "vps", "SELECT user_id, salt, digest, key_id FROM vitrine.credenciais WHERE user_id <> 0"
    )
    hashes = {key: str(hashed) for key, hashed in road.run("sgp", 'SELECT id, password_hash FROM "user"')}
    assert len(sealed) > 5
    for user_id, salt, digest, key_id in sealed:
        assert isinstance(salt, str)
        assert isinstance(digest, bytes)
        assert hashes[user_id].startswith(salt)
        assert (len(salt), len(digest), key_id) == (29, 32, "k1")


def test_the_vps_credential_writes_nothing_and_sees_no_password(busy_road: Road) -> None:
    anywhere = [
        b"CREATE TABLE public.mine (id int)",
        b"CREATE SCHEMA mine",
        b"CREATE DATABASE mine",
        b"CREATE ROLE mine",
        b"ALTER ROLE ponte_export_vps SUPERUSER",
        b"SELECT pg_read_file('postgresql.conf')",
        b"SELECT rolpassword FROM pg_authid",
        b"COPY (SELECT 1) TO PROGRAM 'true'",
    ]
    in_the_window = [
        b"UPDATE vitrine.pedidos SET cliente = ''",
        b"DELETE FROM public.pedidos",
        b"SELECT projection.retry_dead_letters(1)",
        b"SELECT path FROM public.pedido_imagens",
    ]
    with psycopg.connect(credential(busy_road), autocommit=True) as thief:
        for statement in [*anywhere, *in_the_window]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                thief.execute(statement)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(credential(busy_road, dbname="postgres")).close()
    check_credentials(busy_road)
    for name in ("vitrine", "vps"):
        rows = busy_road.run(name, "SELECT subconninfo FROM pg_subscription")
        assert rows
        assert not any(ROLE_PASSWORD in str(conninfo) or "password=" in str(conninfo) for (conninfo,) in rows)


def test_a_decoding_slot_of_ones_own_shows_no_secret(busy_road: Road) -> None:
    with psycopg.connect(credential(busy_road), autocommit=True) as thief:
        thief.execute("SELECT pg_create_logical_replication_slot('thief', 'test_decoding')")
        with busy_road.connect("sgp") as sgp:
            insert_order(sgp, rng=random.Random(1))
        busy_road.run(
            "sgp", "UPDATE pedidos SET observacao = %s, obs_pagamento = obs_pagamento || '?'", MARK * 2
        )
        busy_road.run("sgp", "UPDATE \"user\" SET password_hash = '?' || password_hash, setor = 'costura'")
        busy_road.wait_arrival()
        rows = thief.execute("SELECT data FROM pg_logical_slot_get_changes('thief', NULL, NULL)").fetchall()
        thief.execute("SELECT pg_drop_replication_slot('thief')")
    text = "\n".join(data for (data,) in rows)
    assert MARK * 2 in text
    assert "costura" in text
    assert find_canaries(text.encode()) & set(CANARIES.values()) == set()
    assert find_canaries(text.encode()) <= set(ITEM_CANARIES.values()), (
        "landed items are all that may be here"
    )
    assert [what for what, secret in find_secrets(busy_road).items() if secret.decode() in text] == []


def test_where_rows_are_pushed_the_vps_holds_the_same_and_its_role_here_copies_nothing(
    busy_road: Road, tmp_path: Path
) -> None:
    replicated = busy_road.declaration
    with run_pushed(busy_road, tmp_path) as pushed:
        switch_to(busy_road, declare_pushed())
        busy_road.run("sgp", "UPDATE pedidos SET observacao = %s WHERE id < 10", MARK * 3)
        busy_road.run("sgp", "UPDATE pedidos SET obs_pagamento = obs_pagamento || '#'")
        busy_road.wait_arrival()
        pushed.wait_equal()
        check_vps_files(busy_road)
        with pytest.raises(psycopg.OperationalError, match="permission denied to start WAL sender"):
            read_base_backup(credential(busy_road))
        with psycopg.connect(credential(busy_road), autocommit=True) as thief:
            for statement in (
                b"SELECT pg_create_logical_replication_slot('thief', 'test_decoding')",
                b"SELECT pg_logical_slot_peek_changes('slot_vps_push', NULL, NULL)",
                b"SELECT path FROM public.pedido_imagens",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    thief.execute(statement)
        switch_to(busy_road, replicated)

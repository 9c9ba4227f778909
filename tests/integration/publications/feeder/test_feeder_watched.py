"""SGP on SQLite, as the worker and whoever watches see it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from threading import Event

import bcrypt
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr
from rich.console import Console

from db.credentials import CredentialKeys
from db.freshness import Cause
from db.sqlfile import read_blocks
from publications.faces.machine import to_json, to_nagios
from publications.faces.tables import hops_table
from publications.faces.terminal import to_renderable
from publications.panel.metrics import collect
from publications.watch.checks import CheckKind, check_view
from publications.watch.road import Watch
from publications.watch.view import View
from tests.fix_fed import FedRoad, SgpProcess
from tests.fix_road import ROLE_PASSWORD
from thumbnail_worker.connection import JobConnection
from thumbnail_worker.jobs.credentials import CredentialsJob
from thumbnail_worker.jobs.fingerprints import PublishedJob
from thumbnail_worker.jobs.revocations import RevocationsJob
from thumbnail_worker.sgp import MissingInFileError, SgpFile

pytestmark = [pytest.mark.integration, pytest.mark.any_version, pytest.mark.timeout(300)]

SEALED = "SELECT array_agg(user_id) FROM vitrine.credenciais WHERE user_id > 0"
KEYS = CredentialKeys("k1", {"k1": b"k" * 40})


def session(fed: FedRoad, listen: str) -> JobConnection:
    conninfo = fed.road.servers.clusters["vitrine"].conninfo("vitrine")
    given = make_conninfo(conninfo, user="ponte_worker", password=ROLE_PASSWORD)
    return JobConnection(
        "vitrine", SecretStr(given), on_open=read_blocks("thumbnail_worker", "queries")[listen]
    )


def hash_password(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def test_passwords_are_sealed_from_the_file_and_a_new_one_ends_sessions(
    fed_road: FedRoad, sgp_file: SgpProcess
) -> None:
    job = CredentialsJob(SgpFile(fed_road.path), session(fed_road, "listen_users"), keys=KEYS)
    changed = "SELECT count(mudou_em)::int FROM vitrine.credenciais"
    try:
        sgp_file.run("UPDATE user SET password_hash = ? WHERE id = ?", [hash_password("um"), 1])
        job.run(Event())
        assert fed_road.ask(SEALED) == [1]
        assert fed_road.ask("SELECT count(*)::int FROM projection.unsynced_credentials") == 2
        assert fed_road.ask(changed) == 0
        sgp_file.run("UPDATE user SET password_hash = ? WHERE id = ?", [hash_password("outra"), 1])
        job.run(Event())
        assert fed_road.ask(changed) == 1
        sgp_file.run("ALTER TABLE user RENAME COLUMN password_hash TO senha")
        with pytest.raises(MissingInFileError, match="no column user.password_hash"):
            job.run(Event())
        assert fed_road.ask(SEALED) == [1]
    finally:
        job.close()
        fed_road.road.run("vitrine", "DELETE FROM vitrine.credenciais")
        fed_road.road.run("vitrine", "DELETE FROM projection.unsynced_credentials")


def test_a_logout_reaches_the_window_as_a_digest(fed_road: FedRoad, wal_file: SgpProcess) -> None:
    token = secrets.token_urlsafe(60)
    job = RevocationsJob(SgpFile(fed_road.path), session(fed_road, "listen_revocations"))
    try:
        rows = [[token, "2999-01-01T00:00:00+00:00"], ["old", "2020-01-01T00:00:00+00:00"]]
        wal_file.run("INSERT INTO revoked_tokens (token, expires_at, revoked_at) VALUES (?, ?, '')", *rows)
        job.run(Event())
        assert fed_road.ask("SELECT array_agg(digest) FROM vitrine.revogacoes") == [
            sha256(token.encode()).digest()
        ]
    finally:
        job.close()
        fed_road.road.run("vitrine", "DELETE FROM vitrine.revogacoes")


def test_only_the_window_publishes(fed_road: FedRoad, wal_file: SgpProcess) -> None:
    job = PublishedJob(None, session(fed_road, "listen_users"))
    job.run(Event())
    job.close()
    query = "SELECT array_agg(endpoint::text) FROM projection.fingerprints WHERE applied = seen"
    assert fed_road.ask(query) == ["vitrine"]


@contextmanager
def watching(fed: FedRoad) -> Iterator[Watch]:
    dsns = {
        name: SecretStr(
            make_conninfo(
                fed.road.servers.clusters[name].conninfo(name), user="ponte_watch", password=ROLE_PASSWORD
            )
        )
        for name in fed.road.declaration.watched
    }
    with Watch(fed.road.declaration, dsns, interval_s=0.2) as watch:
        watch.look_first()
        yield watch


def causes(view: View) -> tuple[Cause, ...]:
    return view.measure("vps").causes


def show(view: View) -> str:
    console = Console(width=240)
    with console.capture() as said:
        console.print(to_renderable(view, check_view(view)))
    return said.get()


def test_the_road_is_ok_while_it_is_fed_and_says_who_is_missing(
    fed_road: FedRoad, wal_file: SgpProcess
) -> None:
    feeder = fed_road.start()
    with watching(fed_road) as watch:
        fed_road.road.wait(lambda: watch.look().sights["sgp"].answers, "the feeder's session is seen")
        fed_road.road.wait(lambda: watch.look().measure("vps").is_ok, "OK")
        view = watch.look()
        intake = view.subscribers["vps"].intake
        assert (intake.state.value, intake.slot, view.sights["sgp"].answers) == ("running", None, True)
        assert hops_table(view).row_count == 2
        metrics = {one.name: one.samples for one in collect(view, 0.0, 0.0)}
        assert [one.value for one in metrics["ponte_feeder_running_ratio"]] == [1.0]
        assert {one.labels["slot"] for one in metrics["ponte_slot_lost_ratio"]} == {"slot_vps"}
        assert "sub_intake" not in to_json(view, check_view(view))
        assert to_nagios(view, check_view(view)).count("_retained=") == 1

        wal_file.run("ALTER TABLE user RENAME TO usuario")
        fed_road.road.wait(lambda: causes(watch.look()) == (Cause.FEEDER_STOPPED,), "a stop is named")
        assert "SGP's file lacks what is declared: table user\nHINT: if SGP has renamed it" in "\n".join(
            line.rstrip() for line in show(watch.look()).splitlines()
        )
        wal_file.run("ALTER TABLE usuario RENAME TO user")
        wal_file.run("UPDATE pedidos SET pronto = 'talvez' WHERE id = 1")
        fed_road.road.wait(lambda: watch.look().measure("vps").is_ok, "OK again")
        fed_road.road.wait(
            lambda: CheckKind.UNREAD_VALUES in {one.kind for one in check_view(watch.look())},
            "an unread value",
        )

        feeder.kill()
        feeder.wait(20)
        fed_road.road.wait(lambda: causes(watch.look()) == (Cause.FEEDER_DEAD,), "its death is named")
        assert "nobody reads SGP's file" in show(watch.look())

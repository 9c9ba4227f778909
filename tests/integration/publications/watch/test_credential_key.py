"""A worker and an API with different keys: nobody's password is right, and everybody says why."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from db.credentials import MARK_ID, CredentialKeys
from db.engines import connect
from db.waiting import wait_until
from publications.faces.machine import to_json, to_nagios
from publications.panel import metrics
from publications.panel.page import make_page
from publications.panel.poller import Polled
from publications.watch.checks import CheckKind, check_view
from publications.watch.rare import read_has_key
from publications.watch.road import look_once
from publications.watch.view import View
from tests.fix_api import Client, RunningApi, run_api
from tests.fix_clusters import PORTS
from tests.fix_road import DEADLINE_S, ROLE_PASSWORD, Road
from tests.fix_shop import BEFORE, NEW_KEY, OLD_KEY, PASSWORDS, TURNED, Worker
from tests.fix_watch import watch_dsns

pytestmark = [pytest.mark.integration, pytest.mark.any_version]

NAME = "ines.vendas"
SAYS = "credential_key_differs"
TURNED_HERE = {
    "PONTE_CREDENTIAL_KEY": NEW_KEY,
    "PONTE_CREDENTIAL_KEY_ID": "k2",
    "PONTE_PREVIOUS_CREDENTIAL_KEY": OLD_KEY,
    "PONTE_PREVIOUS_CREDENTIAL_KEY_ID": "k1",
}


@contextmanager
def run_worker(road: Road, keys: CredentialKeys) -> Iterator[None]:
    """Have the worker seal with these keys, until the VPS has what it sealed."""
    worker = Worker(road, keys)
    arrived = "SELECT 1 FROM vitrine.credenciais WHERE user_id = %s AND digest = %s"
    try:
        road.wait(
            lambda: bool(road.run("vps", arrived, MARK_ID, keys.mark().digest)), "the key's mark on the VPS"
        )
        yield
    finally:
        worker.stop()


@contextmanager
def run_here(road: Road, **settings: str) -> Iterator[RunningApi]:
    """Run an API on the road's far end; leave nothing that it told."""
    vps = road.servers.clusters["vps"].conninfo("vps")
    try:
        with run_api(vps, password=ROLE_PASSWORD, **settings) as api:
            yield api
    finally:
        road.run("vps", "TRUNCATE auth.key_marks, auth.attempts")


def has_key(road: Road) -> bool | None:
    """Ask as the watch does."""
    with connect(watch_dsns(PORTS["vps"], road.servers)["vps"].get_secret_value()) as conn:
        return read_has_key(conn)


def look(road: Road) -> View:
    return look_once(road.declaration, watch_dsns(PORTS["vps"], road.servers))


def read_faces(seen: View) -> dict[str, str]:
    """Return what each face says of the keys; empty where it says nothing."""
    checks = check_view(seen)
    kind = CheckKind.CREDENTIAL_KEY
    told = [one for one in json.loads(to_json(seen, checks))["checks"] if one["kind"] == kind]
    page = make_page(Polled(seen, time.time(), time.monotonic()))
    [ratio] = [one for one in metrics.collect(seen, 1.0, 0.0) if one.name == metrics.HAS_KEY.name]
    return {
        "status": " ".join(f"{one['level']} {one['subject']} {one}" for one in told),
        "nagios": "every login" * ("every login on vps is refused" in to_nagios(seen, checks)),
        "panel": " ".join(one for one in page.alarms if "Ninguém entra" in one),
        "metrics": "".join("differs" for one in ratio.samples if one.value == 0),
    }


def test_another_key_under_the_same_id_is_said_by_the_api_and_on_all_faces(mended_road: Road) -> None:
    assert has_key(mended_road) is None
    with run_worker(mended_road, BEFORE), run_here(mended_road, PONTE_CREDENTIAL_KEY=NEW_KEY) as api:
        assert wait_until(lambda: SAYS in api.log_file.read_text(), DEADLINE_S)
        client = Client(api.port)
        assert client.log_in(NAME, PASSWORDS[NAME]).status == 401
        client.close()
        seen = look(mended_road)
        said = api.log_file.read_text()
    faces = read_faces(seen)
    assert "critical vps" in faces["status"]
    assert "PONTE_CREDENTIAL_KEY" in faces["status"]
    assert all(faces.values())
    assert said.count(SAYS) == 1
    marks = [keys.mark().digest.hex() for keys in (BEFORE, CredentialKeys("k1", {"k1": NEW_KEY.encode()}))]
    for secret in (OLD_KEY, NEW_KEY, *marks):
        assert secret not in said + str(faces)


def test_while_a_key_is_turned_nothing_is_amiss(mended_road: Road) -> None:
    """The VPS has both first, in two APIs; then the worker seals with the new one, as docs/login.md says."""
    with run_here(mended_road, **TURNED_HERE) as api, run_here(mended_road, **TURNED_HERE) as other:
        for keys in (BEFORE, TURNED):
            with run_worker(mended_road, keys):
                assert has_key(mended_road) is True
                assert set(read_faces(look(mended_road)).values()) == {""}
        assert SAYS not in api.log_file.read_text() + other.log_file.read_text()
        written = "SELECT count(*) FROM auth.key_marks WHERE marks = %s"
        assert mended_road.run("vps", written, TURNED.marks()) == [(1,)]


def test_what_the_api_did_not_tell_is_no_fault(mended_road: Road) -> None:
    with run_worker(mended_road, BEFORE):
        assert has_key(mended_road) is None
        seen = look(mended_road)
    assert set(read_faces(seen).values()) == {""}
    assert seen.sights["vps"].has_key is None

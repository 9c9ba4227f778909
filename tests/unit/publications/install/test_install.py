"""What `ponte init` decides before it touches anything: answers, units, archives, passwords."""

from __future__ import annotations

import io
import re
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import psycopg
import pytest

from db.errors import SettingsError
from publications.decide.passwords import is_made_of
from publications.declare.declaration import STARTING_PATH, Declaration, parse_declaration, read_declaration
from publications.install.access import Access
from publications.install.bundle import Bundle, pack
from publications.install.declared import find_declared
from publications.install.errors import InstallError
from publications.install.given import feeder_files, operators_files, push_files, vps_files, worker_files
from publications.install.intranet import FEEDER, PUSH, UNITS
from publications.install.machine import Machine
from publications.install.secrets import Secrets
from publications.install.services import render_unit
from publications.install.shop import QUESTIONS, Shop, make_shop
from publications.install.step import Step, carry_out, list_steps
from publications.push.settings import PushSettings
from vps_readapi.settings import ApiSettings

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[4]
ANSWERS: dict[str, Any] = {
    "sgp": "host=127.0.0.1 dbname=sgp user=postgres",
    "media": "/srv/media",
    "intranet": "100.64.0.5",
    "vps": "100.64.0.7",
    "public_url": "https://vitrine.loja.com.br",
    "wheel": "/root/ponte.whl",
}


def access(tmp_path: Path, **answers: Any) -> Access:
    return Access(
        make_shop({**ANSWERS, **answers}), read_declaration(STARTING_PATH), Secrets(tmp_path, kept=False)
    )


# ---------------------------------------------------------------- answers


def test_answers_that_are_written_down_are_read_the_same() -> None:
    shop = make_shop({**ANSWERS, "vps_bindir": "/usr/lib/postgresql/15/bin", "machine": {"users": "loja"}})
    assert make_shop(tomllib.loads(shop.write())) == shop


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("sgp", "host=127.0.0.1 dbname=sgp user=postgres password=x", "a password does not belong there"),
        ("sgp", "dbname=sgp user=postgres", "host, dbname and user"),
        ("sgp", "host=/var/run/postgresql dbname=sgp user=postgres", "the host as an address"),
        ("vps", "vps.loja", "IPv4 or IPv6"),
        ("public_url", "http://vitrine.loja.com.br", "public_url"),
        ("media", "fotos", "absolute path"),
        ("media", "/home/sgp/media", "lies in a home"),
        ("machine", {"folder": "/etc/my ponte"}, "plain letters"),
        ("storage", "s3", "s3_bucket"),
        ("pulic_url", "https://x", "pulic_url"),
    ],
)
def test_an_answer_that_would_fail_later_is_refused_at_once(name: str, value: object, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        make_shop({**ANSWERS, name: value})
    assert said in str(refused.value)


def test_a_shop_whose_sgp_is_a_file_names_the_file_and_no_server(tmp_path: Path) -> None:
    told = {**ANSWERS, "kind": "sqlite"}
    with pytest.raises(SettingsError, match="sgp_file has to be told"):
        make_shop(told)
    with pytest.raises(SettingsError, match="lies in a home"):
        make_shop({**told, "sgp_file": "/home/sgp/sgp.db"})
    del told["sgp"]
    shop = make_shop({**told, "sgp_file": "/srv/sgp/sgp.db"})
    assert make_shop(tomllib.loads(shop.write())) == shop
    ours = Access(shop, declare(shop), Secrets(tmp_path, kept=False))
    written = [*operators_files(ours), *worker_files(ours), *feeder_files(ours)]
    named = {file.path.name for file in written}
    assert named >= {"ponte_feeder_vitrine_dsn", "feeder.env"}
    assert not {name for name in named if "sgp_" in name or "sub_intake" in name}
    for file in (one for one in written if one.path.name in {"ponte.sh", "worker.env", "feeder.env"}):
        assert "PONTE_SGP_FILE=/srv/sgp/sgp.db" in file.text


def declare(shop: Shop) -> Declaration:
    return parse_declaration(find_declared(shop, told=True), origin="test")


def test_what_sgp_is_on_is_changed_by_whoever_says_so_and_by_nobody_else(tmp_path: Path) -> None:
    machine = {"folder": str(tmp_path)}
    shop = make_shop({**ANSWERS, "machine": machine})
    fed = make_shop({**ANSWERS, "machine": machine, "kind": "sqlite", "sgp_file": "/srv/sgp/sgp.db"})
    own = tmp_path / "sgp.toml"
    own.write_text("# ours\n" + find_declared(fed, told=False))
    with pytest.raises(SettingsError, match="says that SGP is on sqlite, and shop.toml that it is on"):
        find_declared(shop, told=False)
    changed = find_declared(shop, told=True)
    assert changed == own.read_text().replace('kind = "sqlite"', 'kind = "postgresql"')
    assert changed.startswith("# ours\n")


def test_every_answer_is_described_and_no_other() -> None:
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    [section] = re.findall(r"^## `ponte init`\n(.*?)(?=^## )", page, re.DOTALL | re.MULTILINE)
    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == set(Shop.model_fields)


def test_every_question_is_in_the_page_of_the_technician() -> None:
    page = (ROOT / "docs/install.md").read_text(encoding="utf-8")
    rows = "".join(re.findall(r"^\| (`.*?`):? ", page, re.MULTILINE))
    assert [name for name in QUESTIONS if f"`{name}`" not in rows + page] == []
    assert all(Shop.model_fields[name].description for name in QUESTIONS)


# ---------------------------------------------------------------- ways


def test_a_distributions_postgresql_on_both_ends_verifies_the_certificate(tmp_path: Path) -> None:
    ours = access(tmp_path, bindir="/usr/lib/postgresql/18/bin", vps_bindir="/usr/lib/postgresql/15/bin")
    assert (
        "sslmode=verify-full channel_binding=require sslrootcert=/etc/ponte/certs/vitrine.crt"
        in ours.export_conninfo()
    )
    assert ours.vitrine_hba() == "hostssl vitrine ponte_export_vps 100.64.0.7/32 scram-sha-256\n"


def test_the_wheels_postgresql_is_asked_for_no_tls(tmp_path: Path) -> None:
    ours = access(tmp_path)
    assert "ssl" not in ours.export_conninfo() + ours.vitrine_hba()
    assert "require_auth=scram-sha-256" in ours.export_conninfo()


def test_a_passfile_names_an_ipv6_host_so_that_libpq_finds_it(tmp_path: Path) -> None:
    ours = access(tmp_path, intranet="fd7a::5", vps="fd7a::7")
    assert ours.export_passfile().text.startswith("fd7a\\:\\:5:*:*:ponte_export_vps:")
    assert "fd7a::7/128" in ours.vitrine_hba()


# ---------------------------------------------------------------- a push


def pushed(tmp_path: Path, **answers: Any) -> Access:
    told = {**ANSWERS, "transport": "push", "machine": {"folder": str(tmp_path)}, **answers}
    del told["intranet"]
    shop = make_shop(told)
    return Access(shop, declare(shop), Secrets(tmp_path / "secrets", kept=False))


def test_where_rows_are_pushed_the_vps_gets_no_way_to_the_shop_and_the_shop_none_to_its_database(
    tmp_path: Path,
) -> None:
    ours = pushed(tmp_path)
    assert ours.export.is_pushed
    assert ours.vitrine_hba() == ""
    there = {file.path.name: file.text for file in vps_files(ours)}
    assert not {name for name in there if "pgpass" in name or "authorized" in name}
    assert {"ponte_ingest_dsn", "ponte_push_api_key", "ponte_push_secret"} <= there.keys()
    assert "PONTE_INGEST_HOST=127.0.0.1\n" in there["ingest.env"]
    here = {file.path.name: file.text for file in (*operators_files(ours), *push_files(ours))}
    assert not {
        name for name in here if name in {"ponte_vps_dsn", "ponte_watch_vps_dsn"} or "conninfo" in name
    } - {"ponte_sub_intake_conninfo"}
    for name in ("ponte_push_api_key", "ponte_push_secret"):
        assert here[name] == there[name]
    assert "PONTE_PUSH_URL=https://vitrine.loja.com.br\n" in here["push.env"]


def test_the_services_take_the_secrets_that_are_made_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {file.path.name: file.text.strip() for file in push_files(pushed(tmp_path))}
    for name in ("ponte_push_api_key", "ponte_push_secret", "ponte_push_vitrine_dsn"):
        monkeypatch.setenv(name.upper(), files[name])
    monkeypatch.setenv("PONTE_PUSH_URL", "https://vitrine.loja.com.br")
    assert PushSettings.load().url == "https://vitrine.loja.com.br"


def test_what_is_pushed_comes_by_the_public_name_unless_another_way_is_told(tmp_path: Path) -> None:
    [public] = [file.text for file in vps_files(pushed(tmp_path)) if file.path.name == "Caddyfile"]
    assert "/internal/sync/*" in public
    by_tunnel = pushed(tmp_path, push_url="http://100.64.0.7:8081")
    there = {file.path.name: file.text for file in vps_files(by_tunnel)}
    assert "/internal/sync" not in there["Caddyfile"]
    assert "PONTE_INGEST_HOST=100.64.0.7\n" in there["ingest.env"]
    worker = {file.path.name: file.text for file in worker_files(by_tunnel)}
    assert "PONTE_WORKER_VPS_URL=http://100.64.0.7:8081\n" in worker["worker.env"]


def test_a_transport_is_switched_by_its_own_command_and_not_by_init(tmp_path: Path) -> None:
    shop = pushed(tmp_path).shop
    (tmp_path / "sgp.toml").write_text(STARTING_PATH.read_text(encoding="utf-8"))
    with pytest.raises(SettingsError, match="run 'ponte transport push'"):
        find_declared(shop, told=True)
    with pytest.raises(SettingsError, match="intranet has to be told"):
        make_shop({name: value for name, value in ANSWERS.items() if name != "intranet"})


# ---------------------------------------------------------------- units


@pytest.mark.parametrize(
    "name",
    [
        *UNITS,
        FEEDER,
        PUSH,
        "ponte-ssh.service",
        "ponte-postgres.service",
        "ponte-api.service",
        "ponte-ingest.service",
        "ponte-https.service",
    ],
)
def test_a_unit_names_its_machines_places_and_no_other(name: str) -> None:
    machine = Machine(
        folder=Path("/x/etc"), data=Path("/x/var"), venv=Path("/x/opt"), units=Path("/x/units"), users="loja"
    )
    text = render_unit(name, machine, bindir=Path("/x/pg")).text
    assert not re.search(r"(?<!/x)/(etc/ponte|var/lib/ponte|opt/ponte|usr/lib/postgresql)", text)
    service = "worker" if "reconcile" in name else re.sub(r"ponte-|\..*", "", name)
    assert name.endswith(".timer") or f"\nUser=loja-{service}\n" in text


@pytest.mark.parametrize("name", ["ponte-api.service", "ponte-ingest.service", "ponte-https.service"])
def test_what_strangers_reach_has_limits_on_the_machine_too(name: str) -> None:
    text = render_unit(name, Machine(), bindir=Path("/x/pg")).text
    assert re.search(r"^MemoryMax=\d+M$", text, re.MULTILINE)
    [files] = re.findall(r"^LimitNOFILE=(\d+)$", text, re.MULTILINE)
    assert int(files) > ApiSettings.model_fields["max_connections"].default


def test_a_unit_for_the_usual_places_is_the_one_that_lies_in_the_repository() -> None:
    machine = Machine()
    for name in UNITS:
        ours = render_unit(name, machine).text
        told = (ROOT / "infra/systemd" / name).read_text(encoding="utf-8")
        assert ours == told


# ---------------------------------------------------------------- steps


def test_a_step_that_is_done_is_not_done_again_and_one_that_does_not_last_ends_the_run() -> None:
    done: list[str] = []
    steps = [
        Step("first", lambda: True, lambda: done.append("first")),
        Step("second", lambda: "second" in done, lambda: done.append("second")),
    ]
    said: list[tuple[str, str]] = []
    assert not list_steps(steps, lambda *words: said.append(words))
    assert said == [("done", "first"), ("to do", "second")]
    assert carry_out(steps, lambda *_: None) == 1
    assert done == ["second"]
    with pytest.raises(InstallError, match="did not last"):
        carry_out([Step("never", lambda: False, lambda: None)], lambda *_: None)


def test_who_only_looks_writes_no_secret(tmp_path: Path) -> None:
    looking = Secrets(tmp_path / "secrets", kept=False)
    assert looking.once("PONTE_X") == looking.once("PONTE_X")
    assert not (tmp_path / "secrets").exists()
    kept = Secrets(tmp_path / "secrets")
    made = kept.once("PONTE_X")
    assert Secrets(tmp_path / "secrets").once("PONTE_X") == made
    assert len(made) >= 43


# ---------------------------------------------------------------- passwords


def test_a_verifier_tells_whose_password_it_is() -> None:
    conn = psycopg.pq.PGconn  # the one that libpq itself makes
    verifier = conn.connect_start(b"").encrypt_password(b"right", b"ponte_worker", b"scram-sha-256").decode()
    assert is_made_of(verifier, "right")
    assert not is_made_of(verifier, "wrong")
    assert not is_made_of("", "right")
    assert not is_made_of("md5f1e2d3", "right")


def test_the_archive_is_for_its_owner_alone_and_the_same_each_time() -> None:
    bundle = Bundle(
        machine=Machine(), bindir=None, database="vps", port=5433, password="x", files=(), services=(),
    )  # fmt: skip
    packed = pack(bundle, STARTING_PATH)
    assert packed == pack(bundle, STARTING_PATH)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        assert {entry.mode for entry in archive} == {0o600}
        assert {"ponte-vps/install", "ponte-vps/requirements.txt"} <= {*archive.getnames()}

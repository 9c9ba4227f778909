"""Real PostgreSQL clusters: made, started, adopted, refused, killed; each PostgreSQL on this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg
import pytest

from db.waiting import wait_until
from infra.devstack import bindirs, errors, postgres
from infra.devstack.clusters import Cluster, ClusterSpec
from infra.devstack.state import ProcessState, runs
from tests.ports import find_free_port

pytestmark = pytest.mark.integration

SERVER_USER = postgres.find_server_user()
only_as_root = pytest.mark.skipif(SERVER_USER is None, reason="only root has another user run the server")
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# Where Debian and Ubuntu keep the versions side by side.
DEBIAN = Path("/usr/lib/postgresql")


def find_bindirs() -> list[Path]:
    found = [postgres.find_bindir({}), *sorted(one.parent for one in DEBIAN.glob("*/bin/initdb"))]
    return list({postgres.major_version(one): one for one in reversed(found)}.values())


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a runtime root that the server's user can enter, which pytest's own folders are not."""
    one = postgres.runtime_root(tmp_path_factory.mktemp("repository"))
    yield one
    shutil.rmtree(one)


@pytest.fixture(scope="module", params=find_bindirs(), ids=lambda it: f"pg{postgres.major_version(it)}")
def spec(request: pytest.FixtureRequest, root: Path) -> ClusterSpec:
    bindir = postgres.reachable_bindir(request.param, root, SERVER_USER)
    data_dir = root / f"pg{postgres.major_version(bindir)}" / "sgp" / "data"
    return ClusterSpec("sgp", data_dir, find_free_port(), bindir, root / "password", QUICK)


@pytest.fixture
def cluster(spec: ClusterSpec) -> Iterator[Cluster]:
    """Return a running cluster; its data stays for the next test, whatever this one does to the server."""
    one = Cluster(spec)
    one.start()
    yield one
    one.stop("immediate")


@pytest.fixture
def other(spec: ClusterSpec) -> Iterator[Cluster]:
    """Return a cluster that does not exist yet."""
    data_dir = spec.data_dir.parent.parent / "vps" / "data"
    one = Cluster(replace(spec, name="vps", data_dir=data_dir, port=find_free_port()))
    yield one
    one.stop("immediate")
    shutil.rmtree(data_dir.parent, ignore_errors=True)


def ask(cluster: Cluster, statement: str) -> str:
    """Run a statement as superuser and return the first value of its answer, or nothing."""
    with psycopg.connect(cluster.conninfo(connect_timeout=60), autocommit=True) as connection:
        answer = connection.execute(statement.encode())
        row = answer.fetchone() if answer.description else None
    return "" if row is None else str(row[0])


def identify(cluster: Cluster) -> ProcessState:
    postmaster = cluster.postmaster()
    assert postmaster is not None
    return ProcessState.of(postmaster.pid)


def test_start_makes_a_cluster_with_the_promised_settings(cluster: Cluster) -> None:
    promised = {"data_checksums": "on", "server_encoding": "UTF8", "listen_addresses": "127.0.0.1"}
    promised |= {"unix_socket_directories": "", "wal_level": "logical", "TimeZone": "UTC", "fsync": "off"}
    found = {name: ask(cluster, f"select current_setting('{name}')") for name in promised}
    assert found == promised
    assert ask(cluster, "select datcollate from pg_database where datname = 'postgres'") == "C"
    assert ask(cluster, "select rolpassword from pg_authid where rolcanlogin").startswith("SCRAM-SHA-256")
    assert ask(cluster, "show server_version").startswith(postgres.server_version(cluster.spec.bindir))
    assert "ready to accept connections" in cluster.log_file.read_text()


def test_only_the_password_opens_and_ctrl_c_does_not_reach(cluster: Cluster) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(cluster.conninfo(password="wrong", connect_timeout=60))
    pid = identify(cluster).pid
    assert os.name == "nt" or os.getsid(pid) == pid


def test_a_second_start_adopts_what_runs(cluster: Cluster) -> None:
    before = identify(cluster)
    assert not cluster.ensure_initialized()
    again = Cluster(cluster.spec)
    again.start()
    assert identify(again) == before


def test_a_lost_password_is_told(cluster: Cluster, tmp_path: Path) -> None:
    lost = Cluster(replace(cluster.spec, superuser_password_file=tmp_path / "lost"))
    with pytest.raises(errors.ClusterStartError, match="is gone"):
        lost.start()


def test_changed_settings_restart_what_runs(cluster: Cluster) -> None:
    before = identify(cluster)
    parameters = {**QUICK, "work_mem": "5MB", "cluster_name": "it's"}
    changed = Cluster(replace(cluster.spec, parameters=parameters, port=find_free_port()))
    changed.start()
    assert identify(changed) != before
    assert ask(changed, "show work_mem") == "5MB"
    assert ask(changed, "show cluster_name") == "it's"
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(cluster.conninfo(connect_timeout=60))


def test_stop_ends_although_a_session_is_busy(cluster: Cluster) -> None:
    with contextlib.closing(psycopg.connect(cluster.conninfo())) as busy:
        busy.execute("select 1")
        cluster.stop("smart", timeout_s=1)
        assert not cluster.is_running()


def test_kill_leaves_nobody_and_a_start_recovers(cluster: Cluster) -> None:
    ask(cluster, "create table kept_by_kill as select 7 as id")
    ask(cluster, "checkpoint")
    postmaster = psutil.Process(identify(cluster).pid)
    family = [postmaster, *postmaster.children(recursive=True)]
    cluster.kill()
    # One that is about to end has no folder any more, and is still there for a moment.
    assert wait_until(lambda: not any(runs(one) for one in family), 60)
    assert (cluster.spec.data_dir / "postmaster.pid").exists()
    cluster.start()
    assert ask(cluster, "select id from kept_by_kill") == "7"


def test_start_buries_the_children_of_a_postmaster_that_died(cluster: Cluster) -> None:
    with contextlib.closing(psycopg.connect(cluster.conninfo())) as busy:
        busy.execute("select 1")
        postmaster = psutil.Process(identify(cluster).pid)
        children = postmaster.children(recursive=True)
        postmaster.kill()
        assert wait_until(lambda: not runs(postmaster), 60)
        cluster.start()
        assert wait_until(lambda: not any(runs(one) for one in children), 60)


@pytest.mark.parametrize("left_pid", [os.getpid(), 2**22 + 1, -1], ids=["ours", "nobody", "nonsense"])
def test_a_stale_pid_file_is_no_obstacle(cluster: Cluster, left_pid: int) -> None:
    pid_file = cluster.spec.data_dir / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    cluster.stop()
    pid_file.write_text("\n".join([str(left_pid), *lines[1:]]) + "\n")
    assert not cluster.is_running()
    cluster.start()
    assert cluster.is_running()


def test_a_pid_file_that_names_another_cluster_is_stale(cluster: Cluster, other: Cluster) -> None:
    """After a reboot, or in a copied folder, the number may be that of a server which is not this one."""
    other.ensure_initialized()
    shutil.copy(cluster.spec.data_dir / "postmaster.pid", other.spec.data_dir / "postmaster.pid")
    assert not other.is_running()
    before = identify(cluster)
    other.start()
    other.kill()
    assert identify(cluster) == before


def test_a_taken_port_is_named_before_the_server_starts(cluster: Cluster) -> None:
    cluster.stop()
    cluster.stop()
    address = ("127.0.0.1", cluster.spec.port)
    with socket.create_server(address), pytest.raises(errors.PortTakenError) as caught:
        cluster.start()
    assert caught.value.port == cluster.spec.port
    assert f"set {errors.PORT_BASE} " in str(caught.value).splitlines()[1]
    assert not cluster.is_running()
    cluster.start()
    assert cluster.is_running()


def test_a_server_that_does_not_start_shows_its_last_words(cluster: Cluster) -> None:
    spoilt = Cluster(replace(cluster.spec, parameters={"shared_buffers": "a lot"}))
    with pytest.raises(errors.ClusterStartError) as caught:
        spoilt.start()
    assert caught.value.log_lines
    assert "shared_buffers" in "\n".join(caught.value.log_lines)
    assert str(caught.value).splitlines()[1].startswith("HINT: ")


@only_as_root
def test_data_of_another_user_becomes_the_server_users(cluster: Cluster) -> None:
    cluster.stop()
    for path in (cluster.data_dir, cluster.data_dir / "global" / "pg_control"):
        os.chown(path, 12345, 12345)
    cluster.start()
    assert cluster.is_running()
    owners = {path.stat().st_uid for path in (cluster.data_dir, cluster.data_dir / "global" / "pg_control")}
    assert SERVER_USER is not None
    assert owners == {SERVER_USER.uid}


def test_an_interrupted_initialisation_is_begun_again(other: Cluster) -> None:
    half = other.spec.data_dir.with_name("data.new")
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("half")
    assert other.ensure_initialized()
    assert not other.ensure_initialized()
    assert [one.name for one in half.parent.iterdir()] == ["data"]


def test_a_data_directory_of_another_version_is_refused(other: Cluster) -> None:
    other.spec.data_dir.mkdir(parents=True)
    (other.spec.data_dir / "PG_VERSION").write_text("9\n")
    with pytest.raises(errors.VersionMismatchError, match=r"PostgreSQL 9") as caught:
        other.start()
    assert "down --wipe" in str(caught.value)


def test_foreign_files_are_not_overwritten(other: Cluster) -> None:
    other.spec.data_dir.mkdir(parents=True)
    (other.spec.data_dir / "letter.txt").write_text("dear")
    with pytest.raises(errors.ClusterStartError, match="has files but no cluster"):
        other.start()
    assert (other.spec.data_dir / "letter.txt").read_text() == "dear"


@only_as_root
def test_a_folder_out_of_reach_is_refused_with_its_name(spec: ClusterSpec, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(errors.UnreachableError, match="out of reach"):
        Cluster(replace(spec, data_dir=closed / "sgp" / "data")).start()


@only_as_root
@pytest.mark.parametrize("is_copy", [False, True], ids=["new", "copied"])
def test_root_keeps_data_outside_of_a_closed_repository(tmp_path: Path, is_copy: bool) -> None:
    assert SERVER_USER is not None
    if is_copy:
        (tmp_path / ".ponte").symlink_to(postgres.OUTSIDE.resolve() / "ponte-000000000000")
    root = postgres.runtime_root(tmp_path)
    try:
        assert root.parent == postgres.OUTSIDE.resolve()
        assert (tmp_path / ".ponte").resolve() == root == postgres.runtime_root(tmp_path)
        assert postgres.first_blocked(root, SERVER_USER) is None
        root.chmod(0o777)
        with pytest.raises(errors.RuntimeRootError, match="may write in it"):
            postgres.runtime_root(tmp_path)
    finally:
        shutil.rmtree(root)


@only_as_root
def test_root_gets_a_copy_of_binaries_out_of_reach(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = postgres.find_bindir({}).parent.parent
    closed = tmp_path / "closed"
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, closed / part.name)
    closed.chmod(0o700)
    monkeypatch.syspath_prepend(str(closed))
    bindir = postgres.reachable_bindir(postgres.find_bindir({}), root, SERVER_USER)
    assert bindir.is_relative_to(root / "pg")
    cluster = Cluster(ClusterSpec("vps", root / "vps" / "data", find_free_port(), bindir, root / "pw", QUICK))
    with contextlib.ExitStack() as ending:
        ending.callback(cluster.kill)
        cluster.start()
        ask(cluster, "load 'libpqwalreceiver'")  # needs the libraries beside the copy
        server = Path(psutil.Process(identify(cluster).pid).exe())
        assert server.is_relative_to((root / "pg").resolve())


def test_declared_binaries_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(errors.PostgresNotFoundError, match="has no postgres, initdb, pg_ctl") as caught:
        postgres.find_bindir({"PONTE_PG_BINDIR": str(tmp_path)})
    assert "HINT: set PONTE_PG_BINDIR" in str(caught.value)


def find_old() -> Path:
    old = [one for one in find_bindirs() if postgres.major_version(one) < bindirs.VITRINE_LEAST]
    return old[0] if old else pytest.skip("no PostgreSQL older than the vitrine's (Debian: postgresql-15)")


def test_the_vitrine_does_not_follow_the_others_version(root: Path) -> None:
    old = find_old()
    found = bindirs.find_bindirs({"PONTE_PG_BINDIR": str(old)}, root)
    assert {name: postgres.major_version(one) >= bindirs.VITRINE_LEAST for name, one in found.items()} == {
        "sgp": False,
        "vitrine": True,
        "vps": False,
    }


def test_an_old_server_for_the_vitrine_is_refused(root: Path) -> None:
    old = find_old()
    with pytest.raises(errors.PostgresNotFoundError, match="the vitrine needs PostgreSQL 18") as caught:
        bindirs.find_bindirs({"PONTE_PG_BINDIR_VITRINE": str(old)}, root)
    assert f"{old} is PostgreSQL {postgres.server_version(old)}" in str(caught.value)
    assert "HINT: set PONTE_PG_BINDIR_VITRINE" in str(caught.value)


def test_a_declared_newer_server_is_the_vitrines(root: Path) -> None:
    new = str(postgres.find_bindir({}))
    found = bindirs.find_bindirs({"PONTE_PG_BINDIR": str(find_old()), "PONTE_PG_BINDIR_VITRINE": new}, root)
    assert found["vitrine"] == postgres.reachable_bindir(Path(new), root, SERVER_USER)


@pytest.mark.parametrize(
    ("cluster", "made_by", "variable"),
    [
        ("sgp", "15", "PONTE_PG_BINDIR "),
        ("vps", "9.6", "PONTE_PG_BINDIR "),
        ("vitrine", "19", "PONTE_PG_BINDIR_VITRINE "),
        ("vitrine", "15", None),
    ],
)
def test_the_way_back_from_another_version_can_be_gone(
    cluster: str, made_by: str, variable: str | None
) -> None:
    told = bindirs.way_back(cluster, made_by)
    assert ("PONTE_PG" in told) == (variable is not None)
    assert variable is None or f"point {variable}at PostgreSQL {made_by}" in told
    assert errors.WIPE_HINT in told


def test_the_wheel_is_found_without_importing_it() -> None:
    lines = (
        "import sys; from infra.devstack.postgres import *; find_bindir({})",
        "sys.exit(WHEEL in sys.modules)",
    )
    assert subprocess.run([sys.executable, "-c", "; ".join(lines)], check=False).returncode == 0

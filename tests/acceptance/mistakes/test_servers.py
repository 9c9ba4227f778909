"""Servers that are not as an operator thinks: with TLS, on their way up or down, a standby."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
import pytest

from db.engines import connect
from db.waiting import wait_until
from infra.devstack.clusters import HOST, Cluster
from publications.cli import main
from publications.declare.declaration import STARTING_PATH, VARIABLE
from tests.fix_api import run_cluster
from tests.fix_mistakes import FAILED, Mistake, Stage, check_told, run_here
from tests.ports import find_free_port

AT = rf"{HOST}:\d+"
DEADLINE_S = 60.0


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    """A server that may be brought into any state."""
    with run_cluster() as cluster:
        yield cluster


@contextmanager
def demanding_tls(cluster: Cluster) -> Iterator[None]:
    """It lets in by no line that does without."""
    hba = cluster.data_dir / "pg_hba.conf"
    before = hba.read_text()
    hba.write_text(before.replace("host ", "hostssl "))
    cluster.start()
    reload(cluster)
    try:
        assert wait_until(lambda: is_refused(cluster), DEADLINE_S)
        yield
    finally:
        hba.write_text(before)
        reload(cluster)
        assert wait_until(lambda: not is_refused(cluster), DEADLINE_S)


def reload(cluster: Cluster) -> None:
    postmaster = cluster.postmaster()
    assert postmaster is not None
    postmaster.send_signal(signal.SIGHUP)


@contextmanager
def serving_tls(folder: Path) -> Iterator[int]:
    """Have somebody speak TLS as PostgreSQL does, up to the certificate, which nobody is to believe."""
    make_certificate(folder, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    done = threading.Event()
    with socket.create_server((HOST, find_free_port())) as listener:

        def serve() -> None:
            while not done.is_set():
                client, _ = listener.accept()
                with client, contextlib.suppress(OSError):
                    client.settimeout(10)
                    if client.recv(8):
                        client.sendall(b"S")
                        context.wrap_socket(client, server_side=True).close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        done.set()
        socket.create_connection(listener.getsockname()).close()
        thread.join(15)


def make_certificate(folder: Path, name: str) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=elsewhere.invalid"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.crt"),
        ],
        check=True,
        capture_output=True,
    )
    (folder / f"{name}.key").chmod(0o600)


def is_refused(cluster: Cluster) -> bool:
    try:
        connect(cluster.conninfo()).close()
    except psycopg.OperationalError:
        return True
    return False


@contextmanager
def as_it_is(_: Cluster) -> Iterator[None]:
    yield


@contextmanager
def going_down(cluster: Cluster) -> Iterator[None]:
    """It waits for a session before it ends."""
    with connect(cluster.conninfo()):
        postmaster = cluster.postmaster()
        assert postmaster is not None
        postmaster.terminate()
        assert wait_until(lambda: is_refused(cluster), DEADLINE_S)
        yield
    assert wait_until(lambda: not cluster.is_running(), DEADLINE_S)
    cluster.start()


@contextmanager
def standby(cluster: Cluster, *, hot: bool) -> Iterator[None]:
    cluster.stop()
    mark, own = cluster.data_dir / "standby.signal", cluster.data_dir / "postgresql.auto.conf"
    before = own.read_text()
    mark.touch()
    own.write_text(before + f"hot_standby = {'on' if hot else 'off'}\n")
    for path in (mark, own):
        if cluster.user:
            cluster.user.own(path)
    cluster.start()
    try:
        yield
    finally:
        cluster.stop("immediate")
        mark.unlink()
        own.write_text(before)
        cluster.start()


State = Callable[[Cluster], AbstractContextManager[None]]
STATES: dict[str, tuple[State, Mistake]] = {
    "apply, the server demands TLS": (
        demanding_tls,
        Mistake(
            ("apply",),
            FAILED,
            f"sgp can't be reached: {AT} does not let role postgres into database postgres without TLS",
            "pg_hba.conf",
        ),
    ),
    "apply, the server is on its way down": (
        going_down,
        Mistake(
            ("apply",),
            FAILED,
            f"sgp can't be reached: the server at {AT} is starting, stopping or recovering",
            "try again in a moment",
        ),
    ),
    "apply, the server is recovering": (
        lambda cluster: standby(cluster, hot=False),
        Mistake(
            ("apply",),
            FAILED,
            f"sgp can't be reached: the server at {AT} is starting, stopping or recovering",
            "try again in a moment",
        ),
    ),
    "apply, the server is a standby": (
        lambda cluster: standby(cluster, hot=True),
        Mistake(
            ("apply",), FAILED, "sgp is a standby and takes no changes", "name the primary in PONTE_SGP_DSN"
        ),
    ),
}
CERTIFICATES: dict[str, tuple[str, Mistake]] = {
    "apply, no certificate to compare with": (
        "sslmode=verify-full sslrootcert=/nowhere.crt",
        Mistake(
            ("apply",),
            FAILED,
            f"sgp can't be reached: there is no /nowhere.crt to verify the certificate of {AT} with",
            "sslrootcert= in PONTE_SGP_DSN",
        ),
    ),
    "apply, a certificate of somebody else's": (
        "sslmode=verify-ca sslrootcert={folder}/other.crt",
        Mistake(
            ("apply",),
            FAILED,
            f"sgp can't be reached: the certificate of {AT} can't be verified",
            "sslrootcert= in PONTE_SGP_DSN",
        ),
    ),
}
TABLE = {name: mistake for name, (_, mistake) in (STATES | CERTIFICATES).items()}


def run_apply(stage: Stage, conninfo: str) -> int:
    for endpoint in ("SGP", "VITRINE", "VPS"):
        stage.env[f"PONTE_{endpoint}_DSN"] = conninfo
    stage.env[VARIABLE] = str(STARTING_PATH)
    stage.env |= {f"PONTE_SUB_{name}_CONNINFO": "host=127.0.0.1" for name in ("INTAKE", "VPS")}
    return run_here(main, stage, ("apply",))


@pytest.mark.parametrize("name", list(STATES))
def test_a_server_that_is_otherwise_is_told(
    name: str, server: Cluster, bare_stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    state, mistake = STATES[name]
    with state(server):
        code = run_apply(bare_stage, server.conninfo())
    check_told(mistake, capsys.readouterr().err, program="ponte: ")
    assert code == mistake.code


@pytest.mark.parametrize("name", list(CERTIFICATES))
def test_a_certificate_that_nobody_believes_is_told(
    name: str, bare_stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    keywords, mistake = CERTIFICATES[name]
    make_certificate(bare_stage.folder, "other")
    with serving_tls(bare_stage.folder) as port:
        own = keywords.format(folder=bare_stage.folder)
        code = run_apply(bare_stage, f"host={HOST} port={port} user=postgres password=x {own}")
    check_told(mistake, capsys.readouterr().err, program="ponte: ")
    assert code == mistake.code

"""The wire of a hop that leaves its machine: the installer's certificate, on a server that speaks TLS."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from db.waiting import wait_until
from infra.devstack.clusters import Cluster, ClusterSpec
from infra.devstack.postgres import find_server_user
from publications.decide.wire import VERIFIED, find_wire_fault
from publications.install.certificates import make_pair
from publications.install.cluster import KeyPair
from tests.fix_tools import need_tool
from tests.ports import find_free_port

pytestmark = [pytest.mark.integration, pytest.mark.any_version]

HERE = ipaddress.ip_address("127.0.0.1")


@dataclass(frozen=True)
class TlsServer:
    """A distribution's server, and how to reach it."""

    cluster: Cluster
    folder: Path
    ours: KeyPair

    def connect(self, *, pair: KeyPair | None = None, **given: str) -> psycopg.Connection:
        """Connect as a subscription does, trusting that pair's certificate."""
        path = self.folder / "trusted.crt"
        path.write_text((pair or self.ours).certificate)
        told = {"host": "127.0.0.1", **VERIFIED, "sslrootcert": str(path), **given}
        return psycopg.connect(make_conninfo(self.cluster.conninfo("postgres"), **told))


@contextmanager
def run_tls(folder: Path, pair: KeyPair) -> Iterator[Cluster]:
    paths = {"ssl_cert_file": folder / "server.crt", "ssl_key_file": folder / "server.key"}
    for path, text in zip(paths.values(), (pair.certificate, pair.key), strict=True):
        path.write_text(text)
        path.chmod(0o600)
        if user := find_server_user():
            user.own(path)
    parameters = {"ssl": "on", "fsync": "off", **{name: str(path) for name, path in paths.items()}}
    spec = ClusterSpec(
        "tls",
        folder / "data",
        find_free_port(),
        need_tool("postgres15").parent,
        folder / "password",
        parameters,
    )
    cluster = Cluster(spec)
    cluster.ensure_initialized()
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop("immediate")


@pytest.fixture(scope="module")
def server(server_root: Path) -> Iterator[TlsServer]:
    folder = server_root / "wire"
    folder.mkdir()
    folder.chmod(0o755)
    pair = make_pair([HERE])
    with run_tls(folder, pair) as cluster:
        yield TlsServer(cluster, folder, pair)


def test_the_installers_certificate_is_verified_and_bound_to_the_password(server: TlsServer) -> None:
    with server.connect(require_auth="scram-sha-256") as conn:
        assert conn.pgconn.ssl_in_use
    told = {"host": "203.0.113.5", **VERIFIED}
    assert find_wire_fault(told, tailnet=False) == ""


def test_another_server_in_its_place_is_refused(server: TlsServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        server.connect(pair=make_pair([HERE])).close()


def test_its_certificate_is_good_at_its_own_address_only(server: TlsServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        server.connect(host="localhost", hostaddr="127.0.0.1").close()


def say_refusal(server: TlsServer) -> str:
    try:
        server.connect().close()
    except psycopg.OperationalError as error:
        return str(error)
    return ""


def test_a_server_that_asks_for_no_bound_password_gets_none(server: TlsServer) -> None:
    hba = server.cluster.data_dir / "pg_hba.conf"
    before = hba.read_text()
    try:
        for method in ("trust", "password"):
            hba.write_text(f"host all all 127.0.0.1/32 {method}\n")
            with psycopg.connect(server.cluster.conninfo("postgres")) as conn:
                conn.execute("SELECT pg_reload_conf()")
            assert wait_until(lambda: "channel binding" in say_refusal(server), 30), method
    finally:
        hba.write_text(before)

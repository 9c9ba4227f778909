"""The database of the installer's cluster: made once, whoever asked for it a moment ago and was killed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from psycopg import sql

from db.engines import connect
from infra.devstack.clusters import Cluster
from publications.install.cluster import OwnCluster
from publications.install.machine import Machine
from tests.fix_clusters import PASSWORD, PORTS

pytestmark = [pytest.mark.integration, pytest.mark.any_version]

NAME = "asked_for_by_several"


def test_a_database_that_is_being_made_already_is_taken(clusters: dict[str, Cluster]) -> None:
    own = OwnCluster(Machine(), Path(), "", PORTS["vps"], NAME, PASSWORD, {}, "", None)
    made = [*own.steps()][-1]
    try:
        with ThreadPoolExecutor(4) as several:
            asked = [several.submit(made.do) for _ in range(4)]
            assert [one.exception(60) for one in asked] == [None] * 4
        assert made.is_done()
        made.do()
    finally:
        with connect(clusters["vps"].conninfo()) as conn:
            conn.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(NAME)))

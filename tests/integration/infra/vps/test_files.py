"""The files for a VPS of 1 GB are what PostgreSQL and the API take."""

from __future__ import annotations

import pytest

from db.engines import connect
from infra.vps import read_assignments
from tests.fix_served import RunCluster
from vps_readapi.settings import ApiSettings

pytestmark = pytest.mark.integration


def test_postgresql_takes_the_file_as_it_stands(own_cluster: RunCluster) -> None:
    given = read_assignments("postgresql-1gb.conf")
    with own_cluster(given) as cluster, connect(cluster.conninfo()) as conn:
        for name, value in given.items():
            row = conn.execute("SELECT setting, unit FROM pg_settings WHERE name = %s", [name]).fetchone()
            assert row is not None, name
            shown = conn.execute("SELECT current_setting(%s)", [name]).fetchone()
            assert shown == (value,), name


def test_the_api_takes_the_file_as_it_stands() -> None:
    for name, value in read_assignments("api-1gb.env").items():
        field = name.removeprefix("PONTE_API_").lower()
        assert field in ApiSettings.model_fields, name
        assert int(value) > 0

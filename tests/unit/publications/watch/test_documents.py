"""Alert rules, the runbook, the dashboard and the list of metrics name what the code has, and all of it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from db.freshness import Cause, FreshnessState
from db.metrics import MetricSpec
from db.motivo import Motivo
from publications.cli import _parser
from publications.panel import metrics as watch
from publications.settings import WatchSettings
from tests.fix_tools import need_tool
from thumbnail_worker.photos import metrics as worker
from thumbnail_worker.photos.metrics import WorkerMetrics
from vps_readapi import metrics as api
from vps_readapi.auth.checks import Refused
from vps_readapi.auth.metrics import LOGINS, LOGINS_REFUSED, logins_refused
from vps_readapi.ingest import metrics as ingest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[4]
RULES = ROOT / "infra/prometheus/alerts.yml"
RUNBOOK = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
METRICS = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
DASHBOARD = json.loads((ROOT / "infra/grafana/ponte.json").read_text(encoding="utf-8"))
NAME = re.compile(r"\bponte_[a-z_]+")


def read_rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def known_names() -> set[str]:
    return {one.name for one in (*watch.ALL, *api.ALL, *ingest.ALL, *worker.ALL, LOGINS, LOGINS_REFUSED)}


def used_names(expressions: Iterable[str]) -> set[str]:
    return {name for expression in expressions for name in NAME.findall(expression)}


def test_rules_use_metrics_that_exist() -> None:
    used = used_names(rule["expr"] for rule in read_rules())
    assert len(used) > 15
    assert used - known_names() == set()


def test_rules_use_causes_and_states_that_exist() -> None:
    text = RULES.read_text(encoding="utf-8")
    causes = {word for found in re.findall(r'cause=~?"([^"]+)"', text) for word in found.split("|")}
    states = set(re.findall(r'state="([^"]+)"', text))
    assert len(causes) > 4
    assert (causes - set(Cause), states - set(FreshnessState)) == (set(), set())
    assert FreshnessState.SILENT in states


def test_every_rule_has_an_entry_in_the_runbook_and_no_other_has() -> None:
    names = [rule["alert"] for rule in read_rules()]
    assert len(names) > 20
    assert re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE) == names
    for rule in read_rules():
        assert rule["annotations"]["runbook"] == f"ponte explain {rule['alert']}"
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_every_entry_has_symptom_cause_and_command() -> None:
    entries = re.split(r"^## ", RUNBOOK, flags=re.MULTILINE)[1:]
    assert len(entries) == len(read_rules())
    for entry in entries:
        assert [word in entry for word in ("**Sintoma.**", "**Causa.**", "**Comando.**")] == [True] * 3


def test_the_runbooks_commands_exist() -> None:
    commands = re.findall(r"^(?:```\n|.*`)ponte ([a-z-]+)", RUNBOOK, re.MULTILINE)
    usage = _parser().format_help()
    assert len(commands) > 10
    assert [one for one in commands if not re.search(rf"^ +{one} ", usage, re.MULTILINE)] == []


def test_the_dashboard_uses_metrics_that_exist_and_most_of_them() -> None:
    expressions = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    used = used_names(expressions)
    assert used - known_names() == set()
    assert len(used) > 20


@pytest.mark.parametrize(
    ("heading", "specs"), [("Watch", watch.ALL), ("API", api.ALL), ("Ingest", ingest.ALL)]
)
def test_every_metric_is_described_and_no_other(heading: str, specs: tuple[MetricSpec, ...]) -> None:
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", METRICS, re.DOTALL | re.MULTILINE)
    rows = re.findall(r"^\| `(ponte_\w+)` \| (.*?) \| (.*?) \|$", section, re.MULTILINE)
    listed = {name: (tuple(re.findall(r"`(\w+)`", labels)), meaning) for name, labels, meaning in rows}
    assert listed == {one.name: (one.labels, one.meaning) for one in specs}


def test_every_setting_of_the_panel_is_described_and_no_other() -> None:
    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    [section] = re.findall(r"^## `ponte panel`\n(.*?)(?=^## )", text, re.DOTALL | re.MULTILINE)
    described = set(re.findall(r"^\| `(PONTE_\w+)`", section, re.MULTILINE))
    assert len(described) > 3
    assert described == {f"PONTE_PANEL_{name}".upper() for name in WatchSettings.model_fields}


# ---------------------------------------------------------------- the rules themselves, by promtool

VPS = '{subscriber="vps"}'
IDLE_NIGHT: dict[str, str] = {
    'ponte_watch_state{subscriber="vps",state="fresh"}': "1x120",
    'ponte_watch_state{subscriber="vps",state="lagging"}': "0x120",
    'ponte_watch_state{subscriber="vps",state="silent"}': "0x120",
    **{f'ponte_watch_cause{{subscriber="vps",cause="{cause}"}}': "0x120" for cause in Cause},
    f"ponte_watch_age_seconds{VPS}": "2x120",
    "ponte_watch_last_poll_timestamp_seconds": "0+60x120",
    'ponte_endpoint_up_ratio{endpoint="sgp"}': "1x120",
    'ponte_room_used_ratio{endpoint="vps",thing="slots"}': "0.1x120",
    'ponte_wal_rate_bytes_per_second{endpoint="vitrine"}': "80x120",
    'ponte_slot_retained_bytes{endpoint="vitrine",slot="slot_vps"}': "4000+100x120",
    'ponte_slot_unconfirmed_bytes{endpoint="vitrine",slot="slot_vps"}': "0x120",
    'ponte_slot_lost_ratio{endpoint="vitrine",slot="slot_vps"}': "0x120",
    'ponte_hop_gaps_rows{source="vitrine",target="vps"}': "0x120",
    'ponte_hop_proven_seconds{source="vitrine",target="vps"}': "40x120",
    'ponte_disk_free_bytes{endpoint="vitrine"}': "80000000000x120",
    'ponte_publication_as_applied_ratio{endpoint="sgp"}': "1x120",
    'ponte_miniaturas_refused_rows{motivo="vazio"}': "3x120",
    "ponte_miniaturas_stopped_seconds": "0x120",
    "ponte_miniaturas_unfound_rows": "2x120",
    'ponte_subscription_not_ready_tables{subscription="sub_vps"}': "0x120",
    'ponte_api_state{state="fresh"}': "1x120",
    'ponte_api_state{state="silent"}': "0x120",
    "ponte_api_database_up_ratio": "1x120",
    "ponte_worker_photos_waiting": "0x120",
    'ponte_credential_key_ratio{subscriber="vps"}': "1x120",
    'ponte_tailnet_key_left_seconds{node="ponte-vps"}': "9000000-60x120",
    'ponte_api_logins_refused_total{reason="offline"}': "4x120",
    'ponte_api_logins_refused_total{reason="wrong"}': "0+1x120",
}
"""A shop where nobody works: beats go on, a few bytes are written, a password is mistyped."""


def cause(name: str) -> dict[str, str]:
    return {f'ponte_watch_cause{{subscriber="vps",cause="{name}"}}': "0x5 1x115"}


def state(name: str, metric: str = "ponte_watch_state", labels: str = 'subscriber="vps",') -> dict[str, str]:
    return {f'{metric}{{{labels}state="{name}"}}': "0x5 1x115"}


KILLS: dict[str, dict[str, str]] = {
    "PonteSilent": state("silent"),
    "PonteLagging": state("lagging"),
    "PonteLaggingBytes": {
        'ponte_slot_unconfirmed_bytes{endpoint="vitrine",slot="slot_vps"}': "0+9000000x120"
    },
    "PonteSlotLeft": {'ponte_slot_left_seconds{slot="slot_vps"}': "80000x120"},
    "PonteSlotLastHours": {'ponte_slot_left_seconds{slot="slot_vps"}': "7000x120"},
    "PonteSlotLost": {'ponte_slot_lost_ratio{endpoint="vitrine",slot="slot_vps"}': "0x5 1x115"},
    "PonteChangesLost": {'ponte_hop_gaps_rows{source="vitrine",target="vps"}': "0x5 1x115"},
    "PonteNotProven": {'ponte_hop_proven_seconds{source="vitrine",target="vps"}': "86000+60x120"},
    "PonteDiskLeft": {'ponte_disk_left_seconds{endpoint="vitrine"}': "50000x120"},
    "PonteLinkDown": cause("link_down"),
    "PonteTailnetKey": {'ponte_tailnet_key_left_seconds{node="intranet-sgp"}': "1300000x5 1200000x115"},
    "PonteServerRefuses": cause("watch_refused"),
    "PonteApplyStopped": cause("apply_failing"),
    "PonteWindowDown": cause("window_down"),
    "PontePushStopped": cause("push_dead"),
    "PonteSgpDown": cause("sgp_down"),
    "PonteWorkerDead": cause("worker_dead"),
    "PonteClockSkewed": cause("clock_skewed"),
    "PonteDrifted": {'ponte_publication_as_applied_ratio{endpoint="sgp"}': "1x5 0x115"},
    "PonteTableNotReady": {'ponte_subscription_not_ready_tables{subscription="sub_vps"}': "2x120"},
    "PonteRoomExhausted": {'ponte_room_used_ratio{endpoint="vps",thing="slots"}': "0.9x120"},
    "PonteSlotUndeclared": {'ponte_slot_undeclared_bytes{endpoint="vitrine",slot="theirs"}': "0x120"},
    "PonteDeadLetters": {'ponte_dead_letters_rows{landing="public.pedidos"}': "1x120"},
    "PontePoisonPhotos": {'ponte_miniaturas_refused_rows{motivo="truncada"}': "0x100 9x20"},
    "PontePhotosStopped": {"ponte_miniaturas_stopped_seconds": "0x5 5+60x115"},
    "PontePhotosWaiting": {"ponte_worker_oldest_photo_waiting_seconds": "0+600x120"},
    "PonteLoginsRefusedOffline": {'ponte_api_logins_refused_total{reason="offline"}': "0x115 1x5"},
    "PonteCredentialKey": {'ponte_credential_key_ratio{subscriber="vps"}': "1x5 0x115"},
    "PonteWatchStopped": {"ponte_watch_last_poll_timestamp_seconds": "0+60x5 300x115"},
    "PonteApiSilent": state("silent", "ponte_api_state", ""),
    "PonteApiDatabaseDown": {"ponte_api_database_up_ratio": "1x5 0x115"},
    "PonteScrapeMissing": {"ponte_api_database_up_ratio": "1x100 stale"},
}


def make_case(name: str, changes: Mapping[str, str], fires: set[str]) -> dict[str, Any]:
    """Return one promtool case: after two hours these fire and no others."""
    series = [{"series": key, "values": value} for key, value in {**IDLE_NIGHT, **changes}.items()]
    checks = [
        {
            "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
            "eval_time": "2h",
            "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(fires)],
        }
    ]
    return {"name": name, "interval": "1m", "input_series": series, "promql_expr_test": checks}


ALSO = {"PonteSlotLastHours": {"PonteSlotLeft"}}


def test_what_an_alert_must_see_rise_is_counted_from_zero() -> None:
    """A counter that appears with its first case has risen by nothing."""
    reasons = {one.labels["reason"] for family in logins_refused.collect() for one in family.samples}
    assert reasons == {one.value for one in Refused}
    motivos = {one.labels["motivo"] for family in WorkerMetrics().failed.collect() for one in family.samples}
    assert motivos == set(Motivo)


def test_every_rule_has_a_case() -> None:
    assert list(KILLS) == [rule["alert"] for rule in read_rules()]


def test_alerts_fire_for_what_kills_and_are_quiet_on_an_idle_shop_at_night(tmp_path: Path) -> None:
    cases = [make_case("an idle shop at night", {}, set())]
    unfound = {"ponte_miniaturas_unfound_rows": "0x5 10x115"}
    cases += [make_case("another folder of photos", unfound, {"PontePhotosStopped"})]
    cases += [make_case(name, series, {name} | ALSO.get(name, set())) for name, series in KILLS.items()]
    file = tmp_path / "cases.yml"
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": cases}))
    done = subprocess.run(
        [need_tool("promtool"), "test", "rules", str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr

"""The documents name what there is, and all of it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from db.metrics import MetricSpec
from db.settings import PonteSettings
from db.tables import TABLES
from infra.devstack import errors, ports
from publications.declare import declaration
from publications.feeder.settings import FeederSettings
from publications.push.settings import PushSettings
from tests.column import count_places
from thumbnail_worker.photos import metrics
from thumbnail_worker.settings import WorkerSettings
from vps_readapi.ingest.settings import IngestSettings
from vps_readapi.settings import ApiSettings

ROOT = Path(__file__).parents[2]
SETTINGS = (ROOT / "docs/settings.md").read_text(encoding="utf-8")


def variables(settings: type[PonteSettings]) -> set[str]:
    prefix = settings.model_config.get("env_prefix", "")
    assert settings.model_fields
    return {
        str(field.validation_alias or f"{prefix}{name}").upper()
        for name, field in settings.model_fields.items()
    }


@pytest.mark.parametrize(
    ("command", "settings"),
    [
        ("python -m vps_readapi", ApiSettings),
        ("python -m vps_readapi.ingest", IngestSettings),
        ("python -m publications.feeder", FeederSettings),
        ("ponte push", PushSettings),
        ("python -m thumbnail_worker", WorkerSettings),
    ],
)
def test_every_setting_is_described_and_no_other(command: str, settings: type[PonteSettings]) -> None:
    [section] = re.findall(rf"^## `{command}`\n(.*?)(?=^## |\Z)", SETTINGS, re.DOTALL | re.MULTILINE)
    assert set(re.findall(r"^\| `(PONTE_\w+)`", section, re.MULTILINE)) == variables(settings)


def test_the_dev_stacks_port_is_the_one_described() -> None:
    assert f"| `{errors.PORT_BASE}` |" in SETTINGS
    assert f"| {ports.DEFAULT_BASE} |" in SETTINGS


def test_the_readme_points_to_what_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/README.md"])
def test_a_page_for_whoever_comes_next_points_to_what_exists(page: str) -> None:
    path = ROOT / page
    links = re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8"))
    assert len(links) > 5
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_every_document_stands_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert len(pages) > 5
    assert [page for page in sorted(pages) if f"({page})" not in index] == []


def test_what_the_recipes_name_is_there() -> None:
    """Paths, commands, and the names that a recipe says to change in the file named before them."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:tests|db|publications|vps_readapi|thumbnail_worker)/[\w/.]+)`", text)
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []
    targets = set(re.findall(r"make ([a-z-]+)", text))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets
    assert [one for one in targets if f"\n{one}:" not in makefile] == []
    for path, name in (
        ("db/tables.py", "TABLES"), ("db/tables.py", "KEYS"), ("db/intranet/landing.py", "_READ_BESIDE"),
        ("db/intranet/sql/projection.sql", "window_of"), ("thumbnail_worker/jobs/job.py", "class Job"),
        ("db/metrics.py", "class MetricSpec"),
    ):  # fmt: skip
        assert name in (ROOT / path).read_text(encoding="utf-8"), (path, name)


def test_the_recipe_for_a_column_names_every_place_that_one_has() -> None:
    """Of a column that comes from SGP as text and is shown by the same name."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    [recipe] = re.findall(r"^### A column in the window\n(.*?)(?=^### )", text, re.DOTALL | re.MULTILINE)
    places = count_places("forma_envio")
    assert {"db/window.py", "publications/sgp.toml", "db/contract.py"} <= set(places)
    assert [file for file in places if file not in recipe] == []


def test_the_readmes_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"`?make (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert {"demo", "test", "up"} <= set(named)
    assert [one for one in named if not re.search(rf"^{one}:", makefile, re.MULTILINE)] == []


def test_the_glossary_has_each_term_once_and_the_windows_words() -> None:
    terms = re.findall(
        r"^\| ([^|]+?) \|", (ROOT / "docs/glossary.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(terms) == len(set(terms)) > len(TABLES)
    spoken = {"imagens": "imagem", "credenciais": "credencial", "revogacoes": "revogacao"}
    assert {spoken.get(table, table.removesuffix("s")) for table in TABLES} <= set(terms)


def test_the_workers_metrics_are_described_and_no_other() -> None:
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    [section] = re.findall(r"^## Worker\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    names = {one.name for one in metrics.ALL}
    assert tuple(one for one in vars(metrics).values() if isinstance(one, MetricSpec)) == metrics.ALL
    assert len(names) > 5
    assert set(re.findall(r"^\| `(ponte_worker_\w+)`", section, re.MULTILINE)) == names


def test_every_extra_is_described_and_no_other() -> None:
    text = (ROOT / "docs/install.md").read_text(encoding="utf-8")
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(re.findall(r"^\| .* \| `sgp-ponte\[(\w+)\]`", text, re.MULTILINE)) == set(
        declared["optional-dependencies"]
    )


def test_the_declarations_variable_is_described() -> None:
    assert f"| `{declaration.VARIABLE}` |" in SETTINGS

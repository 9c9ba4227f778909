"""The proxy of docs/live.md before SGP: what it lets through, with the real nginx."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.waiting import wait_until
from tests.fix_api import RunningApi
from tests.fix_sgp import RunningSgp, run_sgp
from tests.fix_tools import need_tool
from tests.ports import find_free_port

pytestmark = pytest.mark.integration

DEADLINE_S = 60
DESCRIBED = (Path(__file__).parents[4] / "docs/live.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sgp() -> Iterator[RunningSgp]:
    with run_sgp() as one:
        yield one


@pytest.fixture(scope="module")
def proxy(sgp: RunningSgp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run nginx with the block of the document, its two addresses put in place."""
    nginx = need_tool("nginx")
    folder, port = tmp_path_factory.mktemp("nginx"), find_free_port()
    folder.chmod(0o755)
    [block] = re.findall(r"```nginx\n(.*?)```", DESCRIBED, re.DOTALL)
    server = block.replace("100.64.0.2:8001", f"127.0.0.1:{port}").replace("127.0.0.1:8000", sgp.url[7:])
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/errors;\nevents {{ }}\n"
        f"http {{ access_log off;\n{server}\n}}\n"
    )
    process = subprocess.Popen([nginx, "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        assert wait_until(lambda: is_there(port), DEADLINE_S)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def ask(port: int, method: str, path: str) -> int:
    client = RunningApi(port, None, Path()).connect()  # type: ignore[arg-type]  # only asked, never stopped
    try:
        return client.get(path, method=method).status
    finally:
        client.close()


def is_there(port: int) -> bool:
    try:
        return ask(port, "GET", "/") == 404
    except OSError:
        return False


@pytest.mark.parametrize("path", ["/materiais/", "/maquinas/1", "/print-logs/?limit=5", "/relatorios/envios"])
def test_questions_get_through(proxy: int, sgp: RunningSgp, path: str) -> None:
    sgp.forget()
    assert ask(proxy, "GET", path) == 200
    assert sgp.targets() == [path]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *((method, "/materiais/7") for method in ("POST", "PUT", "PATCH", "DELETE")),
        *(("GET", path) for path in ("/", "/users/", "/pedidos/", "/auth/me", "/admin/", "/docs")),
        *(
            ("GET", path)
            for path in (
                "/materiais/../users/",
                "/materiais/%2e%2e/users/",
                "/materiais/..%2fusers/",
                "/materiais//../../users/",
                "/pedidos/imagens/../7",
                "//users/",
                "/materiaisx/7",
            )
        ),
    ],
)
def test_nothing_else_reaches_sgp(proxy: int, sgp: RunningSgp, method: str, path: str) -> None:
    sgp.forget()
    assert ask(proxy, method, path) in {400, 403, 404}
    assert sgp.asked() == []

"""The description is true, and the TypeScript client is what comes out of it: built, checked and used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import vps_readapi.client
from db import lifetime
from infra.tools.catalog import npm
from tests.fix_api import RunningApi, Windows, beat, make_token, run_api, write_session
from tests.fix_sgp import run_sgp
from tests.fix_tools import need_tool
from vps_readapi.client.__main__ import describe

pytestmark = [pytest.mark.acceptance, pytest.mark.any_version, pytest.mark.timeout(300)]

SOURCE = Path(vps_readapi.client.__file__).parent
PARTS = ("package.json", "tsconfig.json", "openapi.json")

USE = """
import { PonteClient, readFreshness } from "./dist/client.js";
const client = new PonteClient({ baseUrl: process.argv[2], token: process.argv[3] });
const list = await client.pedidos();
const one = await client.pedido(1);
const difference = await client.difference("");
const age = readFreshness((await client.raw.GET("/pedidos/")).response);
const stop = new AbortController();
let seen = [];
for await (const event of client.events({ signal: stop.signal })) {
  seen.push(event.event);
  if (event.event === "pulso") console.error("open");
  if (event.event === "pedidos") { seen.push(...event.mudou); stop.abort(); }
}
const refused = await client.pedido(99999).catch((error) => error.message);
await client.logout();
const out = await client.pedido(1).catch((error) => error.status);
console.log(JSON.stringify([list.length, one.id, difference.completo, age.state, refused, seen, out]));
"""

LIVE = """
import { PonteClient, readSource } from "./dist/client.js";
const client = new PonteClient({ baseUrl: process.argv[2], token: process.argv[3] });
const [material] = await client.materiais();
const machine = (await client.maquinas())[0].name;
const queue = (await client.filas())[0].queue.length;
const [log] = await client.printLogs({ limit: 1, status_filter: "success" });
const report = await client.relatorio("fechamentos", { data_inicio: "2026-01-01" });
const source = readSource((await client.raw.GET("/maquinas/ativos")).response);
const none = readSource((await client.raw.GET("/pedidos/summary")).response);
const stop = new AbortController();
const seen = [];
for await (const event of client.printLogEvents({ since: String(log.id - 2), signal: stop.signal })) {
  if (event.event !== "impressoes") continue;
  seen.push(...event.registros.map((one) => one.id - log.id));
  stop.abort();
}
const asked = [material.nome, machine, queue, log.status, report.total_pedidos, source, none, seen];
console.log(JSON.stringify(asked));
"""

RESUME = """
import { PonteClient } from "./dist/client.js";
const asked = [];
const stop = new AbortController();
const answer = (_url, { headers }) => {
  asked.push(headers["Last-Event-ID"] ?? "");
  if (asked.length === 3) stop.abort();
  const id = asked.length === 1 ? "id: e.1\\n" : "";
  return Promise.resolve(new Response(`${id}event: pulso\\ndata: {"sync_state":"fresh"}\\n\\n`));
};
const client = new PonteClient({ baseUrl: "http://x", fetch: answer });
for await (const event of client.events({ since: "e.0", signal: stop.signal })) void event;
console.log(JSON.stringify(asked));
"""


@pytest.fixture(scope="module")
def api(windows: Windows) -> Iterator[tuple[RunningApi, str]]:
    with (
        windows.open(pedidos=20) as dsn,
        run_sgp() as sgp,
        run_api(dsn, live_url=sgp.url, live_setores_relatorios="*") as running,
    ):
        yield running, dsn


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the client, with what it is built with."""
    packages = need_tool("client")
    folder = tmp_path_factory.mktemp("client")
    (folder / "node_modules").symlink_to(packages, target_is_directory=True)
    for name in PARTS:
        shutil.copy(SOURCE / name, folder)
    shutil.copytree(SOURCE / "src", folder / "src")
    return folder


@pytest.fixture(scope="module")
def built(project: Path) -> Path:
    """Return the same, compiled."""
    run(project, *npm("run", "--silent", "build"))
    return project


def run(folder: Path, *command: str | Path) -> str:
    path = f"{need_tool('node').parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        lifetime.tie(command),
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_committed_description_is_the_applications() -> None:
    assert (SOURCE / "openapi.json").read_text(encoding="utf-8") == describe(), (
        "run python -m vps_readapi.client, then npm run generate"
    )
    assert '"openapi": "3.1.0"' in describe()


def test_the_clients_types_are_generated_from_it(project: Path) -> None:
    run(project, *npm("run", "--silent", "generate"))
    assert (project / "src" / "schema.ts").read_text() == (SOURCE / "src" / "schema.ts").read_text()


def test_the_client_is_built_and_works(built: Path, api: tuple[RunningApi, str]) -> None:
    running, dsn = api
    (built / "use.mjs").write_text(USE)
    with write_session(dsn) as writer:
        beat(writer)  # the build may have taken longer than a beat stays fresh
    node = lifetime.start(
        [need_tool("node"), "use.mjs", running.url, make_token()],
        cwd=built,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert node.stderr is not None
    assert node.stderr.readline() == "open\n"
    with write_session(dsn) as writer:
        writer.execute("UPDATE vitrine.pedidos SET observacao = 'x', versao = 2 WHERE id = 7")
    out, err = node.communicate(timeout=60)
    assert node.returncode == 0, err
    assert out.strip() == '[20,1,true,"fresh","Pedido não encontrado",["pulso","pedidos",7],401]'


def test_the_client_asks_live_questions_and_follows_what_is_printed(
    built: Path, api: tuple[RunningApi, str]
) -> None:
    (built / "live.mjs").write_text(LIVE)
    out = run(built, need_tool("node"), "live.mjs", api[0].url, make_token())
    assert out.strip() == '["Lona 440 g","Epson 1",1,"success",2,"live",null,[-1,0]]'


def test_the_client_resumes_behind_a_pulse(built: Path) -> None:
    (built / "resume.mjs").write_text(RESUME)
    assert run(built, need_tool("node"), "resume.mjs").strip() == '["e.0","e.1","e.1"]'


def test_schemathesis_finds_nothing(api: tuple[RunningApi, str], tmp_path: Path) -> None:
    running, _ = api
    command = [
        *(str(Path(sys.executable).with_name("st")), "run", f"{running.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {make_token()}"),
        *("--request-timeout", "60"),
        *("--max-examples", "8", "--phases", "coverage,fuzzing", "--seed", "1"),
        *("--exclude-path", "/eventos", "--exclude-path", "/print-logs/eventos"),  # they do not end
        *("--exclude-path", "/auth/logout"),  # nothing else would be found after it
    ]
    done = subprocess.run(
        lifetime.tie(command), cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:]

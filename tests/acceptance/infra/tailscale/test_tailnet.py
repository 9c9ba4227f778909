"""The shop over a real tailnet: two machines, a home line, a policy, a relay, and what goes wrong."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from infra.tailscale.policy import read_policy
from publications.declare.declaration import STARTING_PATH
from publications.settings import watch_variable
from tests.fix_clusters import NAMES
from tests.fix_netns import INTRANET, VPS
from tests.fix_photos import draw_jpeg
from tests.fix_road import ROLE_PASSWORD
from tests.fix_tailnet import INTRANET_ADDRESS, NAME, VPS_ADDRESS, run_tailnet
from tests.fix_two_ends import TwoEnds, run_two_ends

pytestmark = [pytest.mark.acceptance, pytest.mark.server, pytest.mark.timeout(400)]

ONE_WAY_MS = 20.0
LOSS_PERCENT = 1.0
SSH_PORT = 22
ENDS = (INTRANET, VPS)


@pytest.fixture(scope="module")
def ends() -> Iterator[TwoEnds]:
    with run_tailnet() as tailnet, run_two_ends(tailnet) as made:
        wires = tailnet.wires
        wires.set_line(delay_ms=ONE_WAY_MS, loss_percent=LOSS_PERCENT)
        with wires.enter(VPS):
            ssh = socket.create_server((VPS_ADDRESS, SSH_PORT))
        with ssh:
            yield made


def make_line_good(ends: TwoEnds) -> None:
    ends.tailnet.wires.set_line(delay_ms=ONE_WAY_MS, loss_percent=LOSS_PERCENT)


Checks = tuple[int, dict[str, dict[str, Any]]]
PONTE = [sys.executable, "-m", "publications"]


def preflight(ends: TwoEnds, machine: str, **settings: str) -> Checks:
    """Look at the link from one end; return the exit code and the checks by name."""
    node = ends.tailnet.nodes[machine]
    given = {
        "END": machine,
        "TAILSCALE": str(node.programs / "tailscale"),
        "TAILSCALE_SOCKET": str(node.socket),
        **settings,
    }
    environ = {f"PONTE_LINK_{name}": value for name, value in given.items()}
    done = ends.run(machine, *PONTE, "preflight", "--link", "--json", **environ)
    assert done.returncode in {0, 1, 3}, done.stderr
    return done.returncode, {one["name"]: one for one in json.loads(done.stdout)["checks"]}


def look(ends: TwoEnds) -> Checks:
    """Return the exit code of `ponte status` on the intranet and its checks, the last of each kind."""
    clusters, node = ends.road.servers.clusters, ends.tailnet.nodes[INTRANET]
    dsns = {
        watch_variable(name): make_conninfo(
            clusters[name].conninfo(name), user="ponte_watch", password=ROLE_PASSWORD
        )
        for name in NAMES
    }
    link = {
        "PONTE_LINK_TAILSCALE": str(node.programs / "tailscale"),
        "PONTE_LINK_TAILSCALE_SOCKET": str(node.socket),
    }
    words = ["status", "--json", "--declaration", str(STARTING_PATH)]
    done = ends.run(INTRANET, *PONTE, *words, **dsns, **link)
    assert done.returncode in {0, 3}, done.stderr
    return done.returncode, {one["kind"]: one for one in json.loads(done.stdout)["checks"]}


def at_once(*ways: Callable[[], Checks]) -> list[Checks]:
    """Look in several ways at the same time: most of each is waiting."""
    with ThreadPoolExecutor() as pool:
        return [one.result() for one in [pool.submit(way) for way in ways]]


def carries_all(ends: TwoEnds, word: str) -> None:
    """Show that an order, a photo and a live question get through."""
    imagem_id = ends.shop.add(draw_jpeg(len(word)))
    change(ends, word)
    ends.road.wait_arrival()
    assert ends.road.run("vps", "SELECT observacao FROM vitrine.pedidos WHERE id = 1") == [(word,)]
    wait_photo(ends, imagem_id)
    ends.wait(lambda: ask_source(ends) == "live", "a live answer")


def ask_source(ends: TwoEnds) -> str | None:
    """Ask for the stock; return where the answer came from."""
    return ends.ask_api("/materiais/").headers.get("sync-source")


def change(ends: TwoEnds, word: str) -> None:
    ends.road.run("sgp", "UPDATE pedidos SET observacao = %s", word)


def wait_photo(ends: TwoEnds, imagem_id: int) -> None:
    """Wait until the VPS has a photo's miniatura, and knows it."""
    query = "SELECT chave FROM vitrine.miniaturas WHERE imagem_id = %s AND estado = 'pronta'"
    ends.wait(lambda: bool(ends.road.run("vps", query, imagem_id)), "the miniatura on the VPS")
    [[chave]] = ends.road.run("vps", query, imagem_id)
    assert (ends.shop.folder / str(chave)).is_file()


def test_orders_photos_and_live_questions_pass_over_a_home_line(ends: TwoEnds) -> None:
    carries_all(ends, "pela rede")
    assert ends.road.digest("vps") == ends.road.digest("vitrine")
    assert ends.tailnet.nodes[VPS].peer()["CurAddr"]


def list_ports(machine: str, verdict: str) -> str:
    """Return the ports of the other end that the policy's own tests accept, or deny."""
    [found] = [one for one in read_policy()["tests"] if one["src"] == f"tag:{machine}"]
    return ",".join(one.rpartition(":")[2] for one in found[verdict])


VERDICTS = {"OPEN_PORTS": "accept", "SHUT_PORTS": "deny"}


def test_the_policy_lets_through_what_its_tests_accept_and_nothing_that_they_deny(ends: TwoEnds) -> None:
    def try_all(machine: str) -> Checks:
        ports = {name: list_ports(machine, verdict) for name, verdict in VERDICTS.items()}
        return preflight(ends, machine, **ports)

    for code, checks in at_once(partial(try_all, INTRANET), partial(try_all, VPS)):
        assert (code, {one["outcome"] for one in checks.values()}) == (0, {"ok"}), checks
        assert checks["path"]["fact"].startswith("direct, by 10.99.0.")
        assert 2 * ONE_WAY_MS <= checks["round_trip"]["values"]["ms"] < 1000
        assert checks["throughput"]["values"]["bytes"] > 10**5
        assert checks["mtu"]["fact"] == "packets of 1280 bytes arrive"


def test_what_is_not_as_it_must_be_is_a_failure_each_for_itself(ends: TwoEnds) -> None:
    wrong = {"OPEN_PORTS": "8001 8000", "SHUT_PORTS": "5433", "PEER_TAG": "tag:outra"}
    (code, checks), nobody = at_once(
        partial(preflight, ends, VPS, **wrong), partial(preflight, ends, VPS, PEER="nobody.internal")
    )
    assert (code, {name for name, one in checks.items() if one["outcome"] == "failed"}) == (
        1, {"open", "shut", "identity"},
    )  # fmt: skip
    assert checks["open"]["fact"] == "not let through: 8000"
    assert checks["shut"]["fact"] == "let through, and may not be: 5433"
    assert checks["identity"]["fact"] == "100.64.0.1 is intranet-sgp with tag:intranet, not tag:outra"
    assert (nobody[0], nobody[1]["resolvable"]["fact"]) == (1, "nobody.internal is nobody's name here")


@contextmanager
def only_by_relay(ends: TwoEnds) -> Iterator[None]:
    wires, node = ends.tailnet.wires, ends.tailnet.nodes[VPS]
    with ExitStack() as stack:
        wires.forbid_direct(True)
        stack.callback(wires.forbid_direct, False)
        ends.wait(lambda: not node.is_direct(), "the relay")
        yield
    ends.wait(node.is_direct, "the direct path again")


def test_through_a_relay_all_passes_and_is_called_relayed(ends: TwoEnds) -> None:
    with only_by_relay(ends):
        carries_all(ends, "pelo intermediario")
        (code, checks), (_, seen) = at_once(partial(preflight, ends, VPS), partial(look, ends))
        assert (code, checks["path"]["fact"]) == (3, "relayed by loja")
        assert checks["throughput"]["outcome"] == "ok"
        found = seen["relayed"]
        assert found["fact"] == "the link to ponte-vps is relayed by loja: it works, slower"
        assert found["level"] == "ok"


@contextmanager
def cut(ends: TwoEnds) -> Iterator[None]:
    """Let everything on the line vanish for the length of a block."""
    ends.tailnet.wires.let_vanish()
    try:
        yield
    finally:
        make_line_good(ends)


def test_a_cut_heals_by_itself_and_nothing_is_lost(ends: TwoEnds) -> None:
    road, active = ends.road, "SELECT active FROM pg_replication_slots WHERE slot_name = 'slot_vps'"
    assert ask_source(ends) == "live"
    with cut(ends):
        imagem_id = ends.shop.add(draw_jpeg(77))
        change(ends, "durante o corte")
        assert preflight(ends, VPS)[1]["reachable"]["outcome"] == "failed"
        ends.wait(lambda: road.run("vitrine", active) == [(False,)], "the sender's end")
        ends.wait(lambda: ask_source(ends) == "cached", "a kept answer")
    road.wait_arrival()
    assert road.digest("vps") == road.digest("vitrine")
    wait_photo(ends, imagem_id)
    ends.wait(lambda: ask_source(ends) == "live", "a live answer")


def test_a_key_that_has_expired_is_told_for_what_it_is_and_made_good_without_joining_anew(
    ends: TwoEnds,
) -> None:
    ends.tailnet.expire(INTRANET)
    node = ends.tailnet.nodes[INTRANET]
    ends.wait(lambda: node.status()["BackendState"] == "NeedsLogin", "the end of the key")
    ends.wait(lambda: bool(ends.tailnet.nodes[VPS].peer().get("Expired")), "word of it on the VPS")
    here, there, (_, seen) = at_once(
        partial(preflight, ends, INTRANET), partial(preflight, ends, VPS), partial(look, ends)
    )
    assert (here[0], here[1]["tailnet"]["fact"]) == (1, "the key of this machine has expired")
    assert (there[0], there[1]["peer_key"]["fact"]) == (
        1,
        "the key of the other end (intranet-sgp) has expired",
    )
    assert seen["key_expired"]["level"] == "critical"
    ends.tailnet.extend(INTRANET, days=9.5)
    ends.wait(lambda: node.status()["BackendState"] == "Running", "the key made good")
    carries_all(ends, "chave nova")
    (code, checks), (_, seen) = at_once(partial(preflight, ends, INTRANET), partial(look, ends))
    assert (code, checks["key"]["fact"]) == (3, "the key of this machine (intranet-sgp) expires in 9 days")
    found = seen["key_left"]
    assert (found["level"], found["fact"]) == (
        "warning", "the tailnet's key of intranet-sgp expires in 9 days",
    )  # fmt: skip


def test_an_intranet_that_lost_its_power_comes_back_without_hands(ends: TwoEnds) -> None:
    change(ends, "antes da queda")
    ends.crash_intranet()
    ends.tailnet.nodes[INTRANET].start()
    ends.start_intranet()
    carries_all(ends, "depois da queda")
    assert ends.road.digest("vps") == ends.road.digest("vitrine")


def test_joining_again_changes_nothing_and_names_the_intranet_where_no_resolver_does(ends: TwoEnds) -> None:
    tailnet, hosts = ends.tailnet, ends.root / "hosts"
    node = tailnet.nodes[VPS]
    before = node.ask("ip")
    tailnet.wires.set_resolver(VPS, "127.0.0.1", "nowhere.test")
    for _ in range(2):
        node.join(tailnet.make_key(VPS), hosts=hosts)
    assert node.ask("ip") == before
    assert set(hosts.read_text().splitlines()) == {f"{INTRANET_ADDRESS} {NAME}"}

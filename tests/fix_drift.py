"""Rows that are made to differ on purpose, and the proof of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from psycopg.conninfo import make_conninfo

from publications.declare.declaration import STARTING_PATH, VARIABLE, Declaration
from publications.prove.heal import Healed, Healer
from publications.prove.pace import WHOLE, Pace
from publications.prove.pairs import derive_compared
from publications.prove.verify import TableProof, choose, make_prover
from publications.settings import conninfo_variable, dsn_variable, password_variable
from tests.fix_road import Road


def verify(
    road: Road, *names: str, rows: int = 64, fence_s: float = 30.0, declaration: Declaration | None = None
) -> list[TableProof]:
    """Compare at full speed, in pieces so small that there are several."""
    given = declaration or road.declaration
    compared = [one for hop in given.hops for one in derive_compared(given, hop)]
    with road.session(given) as session:
        prover = make_prover(session.connections, Pace(WHOLE), fence_s=fence_s, rows=rows)
        return [prover.prove(one) for one in choose(compared, names)]


def told(proofs: Sequence[TableProof]) -> dict[str, list[tuple[object, str]]]:
    """Return by hop and table the keys that differ, with how; without what is equal."""
    return {
        f"{proof.hop} {proof.table}": sorted((one.key, one.kind.value) for one in proof.listed)
        for proof in proofs
        if not proof.proven
    }


def drift_landing(road: Road) -> None:
    """Take, change and add rows on landing without the projection's knowing."""
    road.run("vitrine", "ALTER TABLE public.pedidos DISABLE TRIGGER project")
    road.run("vitrine", "DELETE FROM public.pedidos WHERE id = 2")
    road.run("vitrine", "UPDATE public.pedidos SET observacao = 'outra' WHERE id = 3")
    road.run("vitrine", "INSERT INTO public.pedidos (id, numero) VALUES (900001, 'sobra')")
    road.run("vitrine", "ALTER TABLE public.pedidos ENABLE ALWAYS TRIGGER project")


def drift_window(road: Road) -> None:
    """Do the same to the window, whose changes travel on."""
    road.run("vitrine", "DELETE FROM vitrine.pedidos WHERE id = 4")
    road.run("vitrine", "UPDATE vitrine.pedidos SET cliente = 'outra' WHERE id = 5")
    road.run("vitrine", "INSERT INTO vitrine.pedidos (id, numero) VALUES (900002, 'sobra')")


def write_by_hand(road: Road, statement: str) -> None:
    """Write on the VPS past the guard's refusal, as only an administrator can."""
    road.run("vps", f"SET session_replication_role = replica; {statement}")


def drift_vps(road: Road) -> None:
    """Do it to the VPS, each row with the version that it had."""
    write_by_hand(road, "DELETE FROM vitrine.pedidos WHERE id = 6")
    write_by_hand(road, "UPDATE vitrine.pedidos SET cliente = 'outra' WHERE id = 7")
    write_by_hand(road, "INSERT INTO vitrine.pedidos (id, versao) VALUES (900003, 1)")
    write_by_hand(road, "UPDATE vitrine.pedidos SET versao = versao + 1 WHERE id = 8")


VPS_DRIFT = [(6, "missing"), (7, "changed"), (8, "newer"), (900003, "extra")]


@pytest.fixture
def commanded(kept_road: Road, monkeypatch: pytest.MonkeyPatch) -> Road:
    """The module's road, with its settings as the command reads them."""
    settings = kept_road.settings
    for name, dsn in settings.dsns.items():
        monkeypatch.setenv(dsn_variable(name), dsn.get_secret_value())
    for name, conninfo in settings.conninfos.items():
        monkeypatch.setenv(conninfo_variable(name), make_conninfo("", **conninfo))
    for (endpoint, role), password in settings.passwords.items():
        monkeypatch.setenv(password_variable(endpoint, role), password.get_secret_value())
    monkeypatch.setenv(VARIABLE, str(STARTING_PATH))
    return kept_road


def heal_all(road: Road, *names: str) -> Healed:
    """Move what differs, as `ponte heal --yes` does."""
    compared = [one for hop in road.declaration.hops for one in derive_compared(road.declaration, hop)]
    with road.session() as session:
        prover = make_prover(session.connections, Pace(WHOLE), fence_s=30.0, rows=64)
        healer = Healer(session.connections, fence_s=30.0)
        for one in choose(compared, names):
            prover.prove(one, found=healer.heal)
    return healer.done

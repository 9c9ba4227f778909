"""Rows that are made to differ on purpose, and the proof of it."""

from __future__ import annotations

from collections.abc import Sequence

from publications.declare.declaration import Declaration
from publications.prove.pace import WHOLE, Pace
from publications.prove.pairs import derive_pairs, derive_shown
from publications.prove.verify import Compared, TableProof, choose, make_prover
from tests.fix_road import Road


def verify(
    road: Road, *names: str, rows: int = 64, fence_s: float = 30.0, declaration: Declaration | None = None
) -> list[TableProof]:
    """Compare at full speed, in pieces so small that there are several."""
    given = declaration or road.declaration
    compared: list[Compared] = [*derive_pairs(given, {}), *derive_shown(given)]
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

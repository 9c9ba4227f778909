"""Ways for changes to be lost between two ends, and an apply that is ended before it is done."""

from __future__ import annotations

from publications.act.apply import apply
from publications.decide.changes.step import Step
from tests.fix_road import Road


class Killed(BaseException):
    """Ends a run between two steps; nothing of Ponte's catches it."""


def wait_idle(road: Road, source: str, slot: str, target: str, subscription: str) -> None:
    """Wait until nobody reads a slot, nor is about to: a worker that begins has not connected yet."""
    read = "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND active"
    runs = "SELECT 1 FROM pg_stat_subscription WHERE subname = %s AND pid IS NOT NULL"
    road.wait(
        lambda: road.run(target, runs, subscription) == [] == road.run(source, read, slot), "an idle slot"
    )


def drop_slot(road: Road) -> None:
    wait_idle(road, *HOPS["export"])
    road.run("vitrine", "SELECT pg_drop_replication_slot('slot_vps')")


def delete_somebody(road: Road) -> int:
    """Take SGP's newest user away; return who it was."""
    newest = 'SELECT max(id) FROM "user"'
    [[gone]] = road.run("sgp", f'DELETE FROM "user" WHERE id = ({newest}) RETURNING id')  # noqa: S608
    assert isinstance(gone, int)
    return gone


def is_there(road: Road, name: str, user_id: int) -> bool:
    return road.run(name, "SELECT 1 FROM vitrine.usuarios WHERE id = %s", user_id) != []


def lose_subscription(road: Road) -> None:
    for change in ("DISABLE", "SET (slot_name = NONE)"):
        road.run("vps", f"ALTER SUBSCRIPTION sub_vps {change}")
    road.run("vps", "DROP SUBSCRIPTION sub_vps")
    drop_slot(road)


def beat_at(road: Road, name: str) -> None:
    """Beat once, and wait until it is there."""
    [[beat]] = road.run("sgp", "UPDATE ponte.heartbeat SET beat = beat + 1 RETURNING beat")
    query = "SELECT 1 FROM vitrine.heartbeat WHERE beat = %s"
    road.wait(lambda: name == "sgp" or road.run(name, query, beat) != [], "the beat")


def lose_changes(road: Road, source: str, slot: str, target: str, subscription: str) -> int:
    """Let a slot pass over what was written, as where its subscriber was put back; return who was deleted."""
    road.run(target, f"ALTER SUBSCRIPTION {subscription} DISABLE")
    wait_idle(road, source, slot, target, subscription)
    road.run("sgp", "UPDATE pedidos SET observacao = 'perdido' WHERE id < 10")
    gone = delete_somebody(road)
    beat_at(road, source)
    road.run(source, "SELECT pg_replication_slot_advance(%s, pg_current_wal_lsn())", slot)
    road.run(target, f"ALTER SUBSCRIPTION {subscription} ENABLE")
    road.wait_arrival()
    return gone


HOPS = {
    "intake": ("sgp", "slot_intake", "vitrine", "sub_intake"),
    "export": ("vitrine", "slot_vps", "vps", "sub_vps"),
}
NOTES = {"vitrine": "projection.gaps", "vps": "guard.gaps"}


def read_notes(road: Road) -> dict[str, int]:
    return {name: len(road.run(name, f"SELECT 1 FROM {notes}")) for name, notes in NOTES.items()}  # noqa: S608


def apply_step_by_step(road: Road) -> int:
    """End each run at its second step; return how many were ended."""
    for ended in range(60):
        taken: list[Step] = []

        def report(step: Step, taken: list[Step] = taken) -> None:
            taken.append(step)
            if len(taken) > 1:
                raise Killed

        try:
            with road.session() as session:
                apply(session, allow_drop=False, report=report)
        except Killed:
            continue
        return ended
    raise AssertionError("it does not converge")

"""The command that says which row stops a subscription, and clears the way."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable

from publications.act.apply import hold_lock
from publications.act.endpoints import Endpoints
from publications.act.perform import run_step
from publications.act.renew import Renewal, find_renewal, renew
from publications.act.stopped import Obstacle, find_obstacle, is_stopped, put_aside
from publications.act.subscriptions import read_subscriptions
from publications.commands import FAILED, OK, PENDING, talk
from publications.commands.given import read_given
from publications.commands.prove import say_healed, say_key
from publications.decide.changes.subscriptions import EnableSubscription
from publications.declare.declaration import Export, Intake
from publications.prove.fence import SlotFence
from publications.prove.heal import Healer
from publications.prove.pace import Pace
from publications.prove.pairs import TablePair, derive_compared
from publications.prove.sides import make_canonical
from publications.prove.verify import make_prover
from publications.prove.walk import PairWalk, make_walk
from publications.settings import VerifySettings, read_settings

ATTEMPTS = 3
"""So many obstacles of one hop are cleared one after the other."""


def recover(arguments: argparse.Namespace) -> int:
    """Look at each hop; with --yes also begin anew, enable what is disabled and put rows aside."""
    declaration = read_given(arguments)
    settings = VerifySettings.load()
    with Endpoints(declaration, read_settings(declaration, os.environ)) as endpoints:
        for conn in endpoints.connections.values():
            make_canonical(conn)
        with hold_lock(endpoints):
            return max(
                _recover_hop(endpoints, hop, settings, write=arguments.yes) for hop in declaration.hops
            )


def _renew(endpoints: Endpoints, renewal: Renewal, settings: VerifySettings, *, write: bool) -> int:
    hop = renewal.hop
    if not write:
        print(
            f"{hop.subscription}: what slot {hop.slot} gives is not all that was written ({renewal.why});"
            " with --yes it is made anew if need be, and the rows that differ are moved"
        )
        return PENDING
    fence_s = settings.fence_seconds
    prover = make_prover(endpoints.connections, Pace(settings.core_percent), fence_s=fence_s)
    healer = Healer(endpoints.connections, fence_s=fence_s)
    done = renew(endpoints, renewal, prover, healer)
    print(f"{hop.subscription}: follows slot {hop.slot}; {say_healed(healer.done)}")
    if not done:
        talk.print(
            "not all could be compared: run 'ponte recover --yes' again, or 'ponte apply' copies it all"
        )
    return OK if done else PENDING


def _recover_hop(endpoints: Endpoints, hop: Intake | Export, settings: VerifySettings, *, write: bool) -> int:
    fence_s = settings.fence_seconds
    source, target = endpoints.connections[hop.source], endpoints.connections[hop.target]
    pairs = [one for one in derive_compared(endpoints.declaration, hop) if isinstance(one, TablePair)]
    live = read_subscriptions(target).get(hop.subscription)
    if live is None:
        print(f"{hop.subscription}: there is none; 'ponte apply' makes it")
        return PENDING
    if renewal := find_renewal(endpoints.read(), hop):
        return _renew(endpoints, renewal, settings, write=write)
    if not live.enabled:
        if not write:
            print(f"{hop.subscription}: disabled; with --yes it is enabled")
            return PENDING
        run_step(endpoints, EnableSubscription(hop.target, live))
    for _ in range(ATTEMPTS):
        if not is_stopped(source, target, pairs[0], timeout_s=fence_s):
            break
        obstacle = _find_first(pairs, endpoints)
        if obstacle is None or not _clear(obstacle, endpoints, write=write):
            return FAILED if obstacle is None else PENDING
    if SlotFence(source, hop.slot).wait(fence_s):
        print(f"{hop.subscription}: applies, and has all that was written so far")
        return OK
    print(f"{hop.subscription}: has not got all within {fence_s:g} s, and nothing fails: see 'ponte lag'")
    return PENDING


def _find_first(pairs: Iterable[TablePair], endpoints: Endpoints) -> Obstacle | None:
    for pair in pairs:
        walk = make_walk(
            pair, endpoints.connections[pair.source], endpoints.connections[pair.target], fence_s=0
        )
        if (obstacle := find_obstacle(walk)) is not None:
            return obstacle
    first = next(iter(pairs))
    print(
        f"{first.subscription}: apply fails, and {first.target} takes every row that differs; its server's"
        " log says why, and 'ponte plan' whether a column is missing"
    )
    return None


def _walk(pair: TablePair, endpoints: Endpoints) -> PairWalk:
    return make_walk(pair, endpoints.connections[pair.source], endpoints.connections[pair.target], fence_s=0)


def _clear(obstacle: Obstacle, endpoints: Endpoints, *, write: bool) -> bool:
    """Say what stands in the way, and put it aside where that loses nothing; return whether it is gone."""
    pair = obstacle.pair
    print(describe(obstacle))
    if obstacle.passes:
        return True
    if not obstacle.blocking or not write:
        talk.print(f"HINT: {advise(obstacle)}", markup=False, soft_wrap=True)
        return False
    print(f"{put_aside(_walk(pair, endpoints), obstacle)} rows put into quarantine; apply goes on by itself")
    return True


def describe(obstacle: Obstacle) -> str:
    """Say in one sentence which row is refused and by what; no value of it but its key."""
    pair = obstacle.pair
    by = f"constraint {obstacle.constraint}" if obstacle.constraint else f"SQLSTATE {obstacle.sqlstate}"
    if not obstacle.constraint and obstacle.triggers:
        by = f"a trigger ({', '.join(obstacle.triggers)}) with SQLSTATE {obstacle.sqlstate}"
    key = say_key(obstacle.key)
    return f"{pair.subscription}: row {pair.key} = {key} of {pair.table} is refused on {pair.target} by {by}"


def advise(obstacle: Obstacle) -> str:
    """Say what mends it."""
    table = obstacle.pair.table
    where = f"on {obstacle.pair.target}"
    if obstacle.blocking:
        keys = ", ".join(str(say_key(key)) for key in obstacle.blocking)
        return (
            f"rows {keys} are in its way and {obstacle.pair.source} has no such rows: 'ponte recover --yes'"
        )
    if obstacle.constraint:
        return (
            f"it is not Ponte's: {where} run ALTER TABLE {table} DROP CONSTRAINT {obstacle.constraint}"
            f" (or DROP INDEX), or correct the row at its origin"
        )
    if obstacle.triggers:
        return f"it is not Ponte's: {where} run DROP TRIGGER {obstacle.triggers[0]} ON {table}"
    return f"see the log of {obstacle.pair.target}'s server, and 'ponte plan'"

"""Commands that prove that the mirror is equal to its source, and repair only what is not."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from db.errors import SettingsError
from publications.act.apply import hold_lock
from publications.act.endpoints import Endpoints
from publications.commands import OK, PENDING, talk
from publications.commands.given import read_given
from publications.prove.differences import Difference
from publications.prove.heal import Healed, Healer
from publications.prove.pace import Pace
from publications.prove.pairs import derive_compared
from publications.prove.ranges import Key
from publications.prove.verify import Compared, Found, Prover, TableProof, choose, ignore, make_prover
from publications.settings import VerifySettings, read_settings


def verify(arguments: argparse.Namespace) -> int:
    """Compare, and list what differs by key."""
    with _open(arguments) as endpoints:
        for conn in endpoints.connections.values():
            conn.execute("SET default_transaction_read_only = on")
        chosen = _choose(endpoints, arguments.tables)
        proofs = _prove_all(_make_prover(endpoints), chosen)
    print(to_json(proofs) if arguments.json else "\n".join(_lines(proofs)))
    return OK if all(proof.proven for proof in proofs) else PENDING


def heal(arguments: argparse.Namespace) -> int:
    """Move only the rows that differ; without --yes say which they are."""
    with _open(arguments) as endpoints:
        chosen = _choose(endpoints, arguments.tables)
        prover = _make_prover(endpoints)
        with hold_lock(endpoints) if arguments.yes else nullcontext():
            healer = Healer(endpoints.connections, fence_s=prover.fence_s, dry=not arguments.yes)
            proofs = _prove_all(prover, chosen, healer.heal)
    if not arguments.yes:
        print("\n".join(_lines(proofs)))
        differing = sum(proof.differing for proof in proofs)
        talk.print(f"{differing} rows differ; nothing was written: 'ponte heal --yes' moves them")
        return OK if all(proof.proven for proof in proofs) else PENDING
    print(say_healed(healer.done))
    left = sum(proof.unsettled for proof in proofs) + len(healer.done.passed)
    if left or not all(proof.following for proof in proofs):
        talk.print(f"{left} rows may be on their way, or could not be compared: see 'ponte verify'")
        return PENDING
    return OK


def say_healed(done: Healed) -> str:
    """Say how many rows were touched, and what crossed."""
    words = f"{done.written} rows written, {done.removed} removed, {done.stamped} sent anew"
    return f"{words}; {done.moved_bytes} bytes moved"


def _open(arguments: argparse.Namespace) -> Endpoints:
    declaration = read_given(arguments)
    return Endpoints(declaration, read_settings(declaration, os.environ), partial=True)


def _make_prover(endpoints: Endpoints) -> Prover:
    settings = VerifySettings.load()
    return make_prover(endpoints.connections, Pace(settings.core_percent), fence_s=settings.fence_seconds)


def _choose(endpoints: Endpoints, names: Sequence[str]) -> list[Compared]:
    """Return what is to be compared, in the order in which data travels. Raise SettingsError."""
    declaration = endpoints.declaration
    known = [one for hop in declaration.ways for one in derive_compared(declaration, hop)]
    for name in names:
        if not choose(known, [name]):
            listed = ", ".join(sorted({str(one.table) for one in known}))
            raise SettingsError(f"no table {name} travels", f"name some of {listed}")
    return choose(known, names)


def _prove_all(prover: Prover, chosen: Sequence[Compared], found: Found = ignore) -> list[TableProof]:
    proofs = []
    with _show_progress() as progress:
        task = progress.add_task("", total=len(chosen), rows=0)
        for one in chosen:
            progress.update(task, description=f"{one.hop} {one.table}")
            proofs.append(prover.prove(one, lambda proof: progress.update(task, rows=proof.rows), found))
            progress.advance(task)
    return proofs


@contextmanager
def _show_progress() -> Iterator[Progress]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} {task.description}"),
        TextColumn("{task.fields[rows]} rows"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as progress:
        yield progress


def to_json(proofs: Sequence[TableProof]) -> str:
    """Return one object: `proven`, and `tables` with their counts by kind and the keys that differ."""
    tables = [
        {
            **{name: getattr(proof, name) for name in ("hop", "table", "rows", "following", "unsettled")},
            "counts": dict(proof.counts),
            "differing": [_difference(one) for one in proof.listed],
            "left_off": proof.differing + proof.unsettled - len(proof.listed),
        }
        for proof in proofs
    ]
    return json.dumps({"proven": all(proof.proven for proof in proofs), "tables": tables}, indent=2)


def _difference(one: Difference) -> dict[str, object]:
    return {"key": say_key(one.key), "kind": one.kind.value, "settled": one.settled}


def _lines(proofs: Sequence[TableProof]) -> Iterator[str]:
    width = max((len(f"{proof.hop} {proof.table}") for proof in proofs), default=0)
    for proof in proofs:
        yield f"{f'{proof.hop} {proof.table}':<{width}}  {proof.rows:>9} rows  {_verdict(proof)}"
        for one in proof.listed:
            yield f"  {one.kind.value:<11} {say_key(one.key)}{'' if one.settled else ' (may be on its way)'}"
        if left_off := proof.differing + proof.unsettled - len(proof.listed):
            yield f"  and {left_off} more"


def _verdict(proof: TableProof) -> str:
    if not proof.following:
        return "not compared: an end is away, or it does not follow yet"
    words = [f"{count} {kind.replace('_', ' ')}" for kind, count in sorted(proof.counts.items())]
    words += [f"{proof.unsettled} not settled"] if proof.unsettled else []
    return ", ".join(words) or "equal"


def say_key(key: Key) -> int | str:
    """Write a key as people and programs read it."""
    return key if isinstance(key, int) else f"\\x{key.hex()}"

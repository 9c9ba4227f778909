"""Names and expressions of a catalog, as far as a script for psql: no line of it is anybody else's."""

from __future__ import annotations

import random

from db.shown import CONTROL
from publications.commands.plan_text import to_script
from publications.ddl.statement import UnsafeSqlError, given_sql
from publications.decide.changes.publications import DropPublication
from publications.decide.changes.roles import DropRole, RevokeGrants
from publications.decide.changes.subscriptions import DropOrigin, DropSubscription
from publications.decide.plan import Plan
from publications.decide.spec import GrantKind, GrantSpec
from tests.fuzz.outcome import Outcome, run_rounds, spoil

PIECES = [
    *(
        b"\n\\! touch canary\n",
        b"\r",
        b"\x1b[2J",
        b"'",
        b'"',
        b"\\",
        b"$$",
        b"--",
        b"/*",
        b"*/",
        b";",
        b"`id`",
        b":x",
    ),
    *("\u2028\u202e\u009b".encode(), b"E'", b"U&'", b"(", b")", b"$wait$"),
]
SOUND = (
    b"pub_vps_pedidos",
    b"ponte_api",
    b"vitrine.pedidos",
    b"(status <> ALL (ARRAY['a'::text]))",
    b"numeric(10,2)",
)


def find_fault(name: str) -> str:
    """Return what of a script that holds a name is wrong, or nothing."""
    steps = (
        DropPublication("vps", name),
        DropRole("vps", name),
        DropOrigin("vps", name),
        DropSubscription("vps", name),
        RevokeGrants("vps", (GrantSpec(name, GrantKind.TABLE, f"a.{name}", "select"),)),
    )
    script = to_script(Plan(steps))
    if [one for one in CONTROL.findall(script) if one != "\n"]:
        return "a control character"
    if any(line[:3] not in {"-- ", "DRO", "ALT", "REV", "SEL"} for line in script.splitlines() if line):
        return "a line of its own"
    try:
        given = given_sql(name).as_string(None)
    except UnsafeSqlError:
        return ""
    return "a second statement" if ";" in _without_quotes(given) or "\\" in _without_quotes(given) else ""


def _without_quotes(text: str) -> str:
    """Return what stands outside of quotes, read as the server reads it."""
    out, quote, place = "", "", 0
    while place < len(text):
        one = text[place]
        if quote:
            escapes = quote == "e" and one == "\\"
            place += escapes
            quote = "" if not escapes and one == ("'" if quote == "e" else quote) else quote
        elif one in "'\"":
            quote = "e" if one == "'" and out[-1:] in {"e", "E"} else one
        else:
            out += one
        place += 1
    return out


def fuzz_names(count: int, seconds: float, seed: int) -> Outcome:
    """Look at scripts."""
    outcome, rng = Outcome("names"), random.Random(seed)

    def take_turn() -> None:
        name = spoil(rng, rng.choice(SOUND), PIECES).replace(b"\0", b"").decode(errors="replace")
        if fault := find_fault(name):
            outcome.blame(name, fault)

    return run_rounds(outcome, count, seconds, take_turn)

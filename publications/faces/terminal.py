"""What the watch saw, for operators. Pure; `report` has it for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from db.freshness import FreshnessState, Measurement
from db.shown import show
from publications.faces.causes import FACTS, describe_faults
from publications.faces.tables import hops_table, servers_table, show_duration
from publications.watch.checks import Check, CheckKind, Level
from publications.watch.view import View

SENTENCES: dict[CheckKind, tuple[str, str]] = {
    CheckKind.LOST_ROWS: (
        "{count} rows of {subject} on {target} are missing, too old or left over, first seen {since}",
        "'ponte verify' names them, 'ponte heal --yes' moves them and no others",
    ),
    CheckKind.COMPARED: (
        "all rows up to {subject} compared {ago} ago: {count} differences",
        "raise PONTE_PANEL_VERIFY_PERCENT, and see that 'ponte panel' runs",
    ),
    CheckKind.SLOT_LEFT: (
        "slot {subject} is lost in {hours:.1f} h by {setting}",
        "mend its subscriber, or raise {setting}",
    ),
    CheckKind.DISK_LEFT: (
        "the disk of {subject} is full in {hours:.1f} h at the present rate",
        "mend the subscriber whose slot keeps the WAL, or set max_slot_wal_keep_size",
    ),
    CheckKind.ROOM: (
        "{subject} uses {used} of {limit} {thing}",
        "drop what 'ponte plan' calls left over, or raise the limit and restart that server",
    ),
    CheckKind.SLOT_UNDECLARED: (
        "{endpoint} has a {slot_kind} slot that nobody declared, and it keeps {megabytes} MB: {subject}",
        "'ponte explain PonteSlotUndeclared': unless somebody needs it, a credential may be in other hands",
    ),
    CheckKind.DEAD_LETTERS: (
        "{count} rows could not be projected",
        "select * from projection.dead_letters on the vitrine",
    ),
    CheckKind.UNREAD_VALUES: (
        "{count} rows of SGP's file hold values that are none of their column's type, and are NULL here",
        "",
    ),
    CheckKind.UNSYNCED: ("{count} passwords can't be carried", "let those people set their password again"),
    CheckKind.CREDENCIAIS_PENDING: ("{count} active users have no credencial", "the worker's log says why"),
    CheckKind.MINIATURAS_PENDING: ("{count} photos wait for their miniatura", ""),
    CheckKind.MINIATURAS_REFUSED: ("{count} photos have no miniatura: {subject}", ""),
    CheckKind.FILES_MISSING: (
        "the files of the newest {count} photos are missing where the worker looks",
        "check PONTE_WORKER_MEDIA_ROOT: it may be another folder, or a part of the share is away",
    ),
    CheckKind.MINIATURAS_STOPPED: (
        "{count} photos wait and none has been made since {since}: {subject}",
        "the worker's log says why; check PONTE_WORKER_MEDIA_ROOT, its share, and PONTE_WORKER_STORAGE",
    ),
    CheckKind.LOGINS: (
        "logins on {subject}: accepted for {hours:.1f} h more without word from here (bound {limit:.1f} h)",
        "mend the road",
    ),
    CheckKind.LOGINS_REFUSED: (
        "logins on {subject} are refused: no word from here within the bound of {limit:.1f} h",
        "mend the road: the first beat that arrives lets people in again",
    ),
    CheckKind.CREDENTIAL_KEY: (
        "every login on {subject} is refused: its API has not the key that the worker seals passwords with",
        "set PONTE_CREDENTIAL_KEY and PONTE_CREDENTIAL_KEY_ID alike on both ends, and restart worker and API",
    ),
    CheckKind.RELAYED: ("the link to {subject} is relayed by {relay}: it works, slower", ""),
    CheckKind.KEY_LEFT: (
        "the tailnet's key of {subject} expires in {days} days",
        "renew it before: 'ponte explain PonteTailnetKey'",
    ),
    CheckKind.KEY_EXPIRED: (
        "the tailnet's key of {subject} has expired: nothing passes",
        "renew it: 'ponte explain PonteTailnetKey'",
    ),
    CheckKind.RECORDING: ("nobody keeps the history of measurements", "start 'ponte panel' as a service"),
}


def describe_road(measured: Measurement) -> str:
    """Return one line: the word, the age, the cause."""
    age = measured.freshness.age_seconds
    word = "OK" if measured.is_ok else measured.state.value
    old = "age unknown" if age is None else f"{show_duration(age)} old"
    why = "".join(f"; {FACTS[cause][0]}{describe_faults(measured, cause)}" for cause in measured.causes)
    return show(f"{word}, {old}{why}")


def describe_check(check: Check) -> tuple[str, str]:
    """Return a fact and the advised action of anything but a road."""
    fact, advice = SENTENCES[check.kind]
    seconds = check.values.get("seconds")
    ago = show_duration(seconds if isinstance(seconds, float) else None)
    values = {"subject": check.subject, "ago": ago, **check.values}
    return show(fact.format(**values)), show(advice.format(**values))


def to_renderable(view: View, checks: Sequence[Check]) -> RenderableType:
    """Return what a terminal shows: a line for each subscriber, the hops, the servers, what to do."""
    roads = [(name, view.measure(name)) for name in view.subscribers]
    lines = [Text(f"{name}: {describe_road(found)}", style=_style(found)) for name, found in roads]
    advice = [
        f"HINT: {FACTS[cause][1]}"
        for cause in dict.fromkeys(cause for _, found in roads for cause in found.causes)
    ]
    away = [
        "\nHINT: ".join(show(one) for one in (sight.failure, sight.hint) if one)
        for sight in view.sights.values()
        if sight.failure
    ]
    return Group(
        *lines,
        *advice,
        "",
        hops_table(view),
        *_not_ready(view),
        "",
        servers_table(view),
        *away,
        *_talk(checks),
    )


def _not_ready(view: View) -> Iterable[str]:
    for hop in view.hops:
        if hop.subscription and hop.subscription.not_ready:
            tables = show(", ".join(hop.subscription.not_ready))
            yield f"{hop.source}->{hop.target} does not follow yet: {tables}"


def _talk(checks: Sequence[Check]) -> Iterable[str]:
    found = [one for one in checks if one.kind is not CheckKind.ROAD and (one.level or one.values)]
    for check in found:
        if check.kind is CheckKind.RECORDING and check.level is Level.OK:
            continue
        fact, advice = describe_check(check)
        yield f"{check.level.name.lower():<8} {fact}" + (f" - {advice}" if advice and check.level else "")


def _style(measured: Measurement) -> str:
    if measured.is_ok:
        return "green"
    return "bold red" if measured.state is FreshnessState.SILENT else "yellow"

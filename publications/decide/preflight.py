"""What of a server will stop or bend the road sooner or later, judged before it does. Pure.

A check is a function from what was seen of one server to its verdicts; `find_verdicts` asks all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from publications.decide.facts import MIN_VERSION
from publications.decide.spec import Room
from publications.decide.verdicts import Outcome, ServerSeen, Verdict
from publications.decide.wire import WIRE_HINT, is_private

WINDOW_VERSION = 180000
DECODES_BY_ITSELF = 190000
"""From here on wal_level = replica does: logical decoding begins with the first logical slot."""
FAULTS: Mapping[str, Mapping[int, int]] = {"CVE-2026-6638": {16: 14, 17: 10, 18: 4}}
"""Known faults of servers: by major version the minor one that mends it."""
SKEW_S = 5.0
LONG_S = 60
"""A writer that is open for so long holds up the making of a slot, and the cleaning of rows."""
NOTIFY_HIGH = 0.5
DISK_LOW_BYTES = 2_000_000_000
IDLE_LIMIT_S = 86400.0
"""A VPS may be away for longer than a slot that is given up sooner lasts: over a weekend."""
OWNERS_ONLY = 0o077
Found = tuple[bool, str, str]
"""Whether it is well, what is so, and what to do if it isn't."""
Check = Callable[[ServerSeen], Iterable[Found]]


def find_verdicts(seen: ServerSeen) -> list[Verdict]:
    """Return what every check says of one server, in the order of `CHECKS`."""
    return [
        Verdict(
            category,
            seen.endpoint,
            name,
            Outcome.OK if well else Outcome.FOUND,
            fact,
            "" if well else hint,
        )
        for category, checks in CHECKS.items()
        for name, check in checks.items()
        for well, fact, hint in check(seen)
    ]


def _check_version(seen: ServerSeen) -> Iterable[Found]:
    least = WINDOW_VERSION if seen.is_window else MIN_VERSION
    major, minor = seen.version
    fact = f"it runs PostgreSQL {major}.{minor}"
    yield seen.facts.version_num >= least, fact, f"upgrade it to {least // 10000} or newer"


def _check_faults(seen: ServerSeen) -> Iterable[Found]:
    major, minor = seen.version
    known = [name for name, mended in FAULTS.items() if minor < mended.get(major, 0)]
    mends = max((mended.get(major, 0) for mended in FAULTS.values()), default=0)
    fact = (
        f"{major}.{minor} has the known faults {', '.join(known)}" if known else "it has no fault we know of"
    )
    yield not known, fact, f"upgrade it to {major}.{mends} or newer: the files stay as they are"


def _check_encoding(seen: ServerSeen) -> Iterable[Found]:
    needs = seen.facts.encoding != "SQL_ASCII" if not seen.subscribes else seen.facts.encoding == "UTF8"
    hint = "make the database anew with ENCODING 'UTF8' TEMPLATE template0 and load it again"
    yield needs, f"its text is {seen.facts.encoding}", hint


def _check_collation(seen: ServerSeen) -> Iterable[Found]:
    word = (
        "another version of its library made its indexes" if seen.collation_stale else "as when it was made"
    )
    hint = "REINDEX DATABASE, then ALTER DATABASE … REFRESH COLLATION VERSION: rows may not be found"
    yield not seen.collation_stale, f"its order of letters is {word}", hint


def _check_wal_level(seen: ServerSeen) -> Iterable[Found]:
    if seen.publishes:
        level = seen.facts.wal_level
        enough = level == "logical" or (level == "replica" and seen.facts.version_num >= DECODES_BY_ITSELF)
        yield enough, f"wal_level is {level}", "set wal_level = logical and restart it"


def _check_plugins(seen: ServerSeen) -> Iterable[Found]:
    allowed = seen.settings.get("output_plugin_libraries")
    if seen.publishes and allowed is not None:
        names = {name.strip().strip("'\"") for name in allowed.split(",")}
        hint = "add pgoutput to output_plugin_libraries and reload it: nothing is sent without"
        yield "pgoutput" in names, f"output_plugin_libraries is {allowed!r}", hint


def _check_slots(seen: ServerSeen) -> Iterable[Found]:
    if seen.publishes:
        yield _room("max_replication_slots", seen.facts.slots)


def _check_senders(seen: ServerSeen) -> Iterable[Found]:
    if seen.publishes:
        yield _room("max_wal_senders", seen.facts.senders)


def _check_origins(seen: ServerSeen) -> Iterable[Found]:
    if seen.subscribes:
        yield _room("replication origins", seen.facts.origins)


def _check_workers(seen: ServerSeen) -> Iterable[Found]:
    if seen.subscribes:
        yield _room("max_logical_replication_workers", seen.facts.workers)
        yield _room("max_worker_processes", seen.facts.processes)
        copying = seen.facts.sync_workers
        hint = "set max_sync_workers_per_subscription = 2: no table is ever copied without"
        yield copying > 0, f"max_sync_workers_per_subscription is {copying}", hint


def _room(what: str, room: Room) -> Found:
    """One more is needed for the copy of a table, which comes and goes."""
    hint = f"set {what} to {room.used + 4} or more and restart it"
    return room.used < room.limit, f"{room.used} of {room.limit} {what} are in use", hint


def _check_timeouts(seen: ServerSeen) -> Iterable[Found]:
    """A peer that vanished without a word is noticed by these alone."""
    duties = {"wal_sender_timeout": seen.publishes, "wal_receiver_timeout": seen.subscribes}
    for name, concerns in duties.items():
        if concerns and name in seen.settings:
            hint = f"set {name} = '60s' and reload it: else a link that swallows packets is never noticed"
            yield seen.settings[name] != "0", f"{name} is {seen.settings[name]} ms", hint


def _check_idle_limit(seen: ServerSeen) -> Iterable[Found]:
    limit = seen.settings.get("idle_replication_slot_timeout")
    if seen.publishes and limit is not None:
        hint = "set idle_replication_slot_timeout = 0, or to more than a VPS may be away, and reload it"
        well = limit == "0" or float(limit) >= IDLE_LIMIT_S
        yield well, f"idle_replication_slot_timeout is {limit} s", hint


def _check_keep_size(seen: ServerSeen) -> Iterable[Found]:
    keep = seen.settings.get("max_slot_wal_keep_size", "-1")
    if seen.publishes:
        hint = "set max_slot_wal_keep_size to what the disk can spare: a slot is better lost than SGP"
        fact = (
            "max_slot_wal_keep_size has no limit" if keep == "-1" else f"max_slot_wal_keep_size is {keep} MB"
        )
        yield keep != "-1", fact, hint


def _check_disk(seen: ServerSeen) -> Iterable[Found]:
    free = seen.disk_free_bytes
    if free is None:
        yield True, "its disk is another machine's: run this there too", ""
    else:
        yield (
            free >= DISK_LOW_BYTES,
            f"{free / 1e9:.1f} GB are free on its disk",
            "free some, or give it more",
        )


def _check_notify(seen: ServerSeen) -> Iterable[Found]:
    hint = f"end the session that holds it, probably {seen.listener or 'the oldest that listens'}"
    fact = f"its queue of notifications is {seen.notify_usage:.0%} full"
    yield seen.notify_usage < NOTIFY_HIGH, fact, hint


def _check_prepared(seen: ServerSeen) -> Iterable[Found]:
    known = "; ".join(seen.prepared)
    fact = f"it has {known}" if known else "it has no prepared transaction"
    yield (
        not seen.prepared,
        fact,
        "COMMIT PREPARED or ROLLBACK PREPARED: no slot can be made while one writes",
    )


def _check_writers(seen: ServerSeen) -> Iterable[Found]:
    known = "; ".join(seen.writers)
    fact = f"it has long writers: {known}" if known else "nobody has been writing for long"
    yield not seen.writers, fact, "let them end, or pg_terminate_backend: a slot that is made waits for them"


def _check_passfiles(seen: ServerSeen) -> Iterable[Found]:
    for one in seen.passfiles:
        if one.readable is None:
            yield (
                False,
                f"there is no passfile {one.path}",
                "write it there, or correct the subscription's CONNINFO",
            )
        elif not one.readable:
            yield (
                False,
                f"the server may not read {one.path}",
                "give it to the account that runs PostgreSQL there",
            )
        elif one.mode is not None and one.mode & OWNERS_ONLY:
            hint = f"chmod 0600 {one.path}: as it is, it is not used"
            yield False, f"others may use {one.path}, which has mode {one.mode:04o}", hint
        elif one.owned is False:
            hint = f"chown {one.path} to the account that runs PostgreSQL"
            yield False, f"{one.path} belongs to another account", hint
        else:
            yield True, f"{one.path} can be read by its server alone", ""


def _check_clock(seen: ServerSeen) -> Iterable[Found]:
    fact = f"its clock is {seen.skew_s:+.1f} s from this machine's"
    yield abs(seen.skew_s) <= SKEW_S, fact, "set both by NTP: 'timedatectl', on Windows 'w32tm /resync'"


def _check_tls(seen: ServerSeen) -> Iterable[Found]:
    hint = "add sslmode=verify-full, or reach it through the tunnel"
    if is_private(seen.host):
        yield True, "reached on this machine or through a tunnel", ""
    else:
        word = "is" if seen.encrypted else "is not"
        yield seen.encrypted, f"the session with {seen.host} {word} encrypted", hint


def _check_passwords(seen: ServerSeen) -> Iterable[Found]:
    """Whoever receives from the window's cluster can have the verifiers of all its roles."""
    if seen.is_window:
        known = ", ".join(seen.weak)
        fact = f"passwords that can be found out: {known}" if known else "no password is easily found out"
        hint = "give them long ones made at random: 'ponte init' makes such, or ALTER ROLE … PASSWORD"
        yield not seen.weak, fact, hint


def _check_wires(seen: ServerSeen) -> Iterable[Found]:
    """How its subscriptions reach their publishers, where this machine knows."""
    for subscription, fault in seen.wires.items():
        if fault:
            yield False, f"{subscription} leaves its machine {fault}", WIRE_HINT
        else:
            yield True, f"{subscription} is heard by nobody else", ""


CHECKS: Mapping[str, Mapping[str, Check]] = {
    "server": {
        "version": _check_version,
        "known_faults": _check_faults,
        "encoding": _check_encoding,
        "collation": _check_collation,
        "clock": _check_clock,
        "tls": _check_tls,
        "passwords": _check_passwords,
    },
    "replication": {
        "wal_level": _check_wal_level,
        "output_plugins": _check_plugins,
        "slots": _check_slots,
        "senders": _check_senders,
        "origins": _check_origins,
        "workers": _check_workers,
        "timeouts": _check_timeouts,
        "idle_limit": _check_idle_limit,
        "passfile": _check_passfiles,
        "wire": _check_wires,
    },
    "room": {"keep_size": _check_keep_size, "disk": _check_disk, "notify_queue": _check_notify},
    "transactions": {"prepared": _check_prepared, "writers": _check_writers},
}
"""By category and name."""

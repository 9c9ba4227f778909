"""What each cause means and the next step, for operators; and what more is known of it. Pure."""

from __future__ import annotations

from db.freshness import Cause, Fault, Measurement

FACTS: dict[Cause, tuple[str, str]] = {
    Cause.POLL_DIED: ("nobody has looked for a while", "restart 'ponte panel'"),
    Cause.WINDOW_DOWN: ("the vitrine does not answer", "start the vitrine's PostgreSQL"),
    Cause.SLOT_LOST: (
        "a slot is lost: its WAL was removed",
        "run 'ponte apply': it copies over what is there",
    ),
    Cause.CHANGES_LOST: (
        "changes were lost on the way, and nothing sends them again",
        "run 'ponte apply': it copies over what is there, and nobody waits for it",
    ),
    Cause.LINK_DOWN: (
        "the VPS can't be reached",
        "run 'ponte preflight --link', see that the VPS runs",
    ),
    Cause.VPS_DOWN: (
        "the VPS answers, and its PostgreSQL does not run",
        "start the VPS's PostgreSQL; its log says why it ended",
    ),
    Cause.SERVER_STARTING: (
        "a server is starting, stopping or recovering",
        "wait a moment; if it stays so, that server's log says why",
    ),
    Cause.DATABASE_MISSING: (
        "a server has no such database, or has closed it",
        "restore the database, or correct dbname in PONTE_WATCH_<ENDPOINT>_DSN",
    ),
    Cause.WATCH_REFUSED: (
        "a server answers and does not let in who watches",
        "correct the role's password, the passfile or pg_hba.conf; what is carried is not touched by it",
    ),
    Cause.SERVER_FULL: (
        "a server has no connection left for who watches",
        "end idle sessions that pg_stat_activity shows there, or raise max_connections",
    ),
    Cause.SUBSCRIPTION_MISSING: ("a subscription is not there", "run 'ponte plan', then 'ponte apply'"),
    Cause.SUBSCRIPTION_DISABLED: (
        "a subscription is disabled",
        "run 'ponte apply': it enables it; if it was disabled for an error, that server's log has it",
    ),
    Cause.WORKERS_SHORT: (
        "a server may start no process for its subscription",
        "raise max_worker_processes and max_logical_replication_workers there, and restart it",
    ),
    Cause.NOTIFY_FULL: (
        "a server's queue of notifications is full, so nothing commits there",
        "end the session that holds it",
    ),
    Cause.KEY_MISSING: (
        "a table has no primary key that replication can use",
        "run 'ponte plan': it names the key and the statement that mends it",
    ),
    Cause.APPLY_BLOCKED: (
        "a subscription waits for a lock",
        "end the session that holds it, or wait for it",
    ),
    Cause.SLOT_TAKEN: (
        "a slot is read by somebody else",
        "stop the copy of that server, or its subscription; ours goes on by itself",
    ),
    Cause.APPLY_FAILING: (
        "a subscription fails again and again",
        "run 'ponte plan'; if it finds nothing, the log of the server that receives has the error",
    ),
    Cause.EXPORT_CUT: (
        "the VPS answers, and does not get through to the vitrine",
        "on the VPS, see 'tailscale status', then its PostgreSQL's log: address, pg_hba.conf and passfile",
    ),
    Cause.PUSH_DEAD: ("nobody pushes: the service does not run", "start the service 'ponte push'"),
    Cause.PUSH_REFUSED: (
        "the VPS refuses what is pushed: it does not know who sends it",
        "give PONTE_PUSH_API_KEY and PONTE_PUSH_SECRET the ingest's values, and set both clocks",
    ),
    Cause.PUSH_REJECTED: (
        "the VPS does not know what is pushed",
        "run 'ponte migrate' on the VPS; its ingest's log names the field",
    ),
    Cause.PUSH_UNREACHABLE: (
        "the VPS's ingest does not answer the push",
        "check PONTE_PUSH_URL, the way there, and that the ingest is up on the VPS",
    ),
    Cause.PUSH_STOPPED: ("the push runs and sends nothing", "see what is said of it; else the push's log"),
    Cause.SGP_DOWN: ("SGP's database does not answer", "start SGP's PostgreSQL"),
    Cause.INTAKE_CUT: (
        "the vitrine does not get through to SGP's database",
        "see the log of the vitrine's PostgreSQL: address, pg_hba.conf and passfile of its subscription",
    ),
    Cause.WORKER_DEAD: ("the worker does not run: nobody beats", "start the service thumbnail_worker"),
    Cause.WORKER_SHUT_OUT: (
        "the worker runs and does not get into SGP's database",
        "the worker's log says why: correct PONTE_WORKER_SGP_DSN, or its role on sgp",
    ),
    Cause.SGP_IDLE: (
        "the worker runs, but its beats are not written",
        "look in SGP's database for locks on ponte.heartbeat, a full disk or read-only mode",
    ),
    Cause.FEEDER_DEAD: (
        "the feeder does not run: nobody reads SGP's file",
        "start the service publications.feeder",
    ),
    Cause.FEEDER_STOPPED: (
        "the feeder runs, and what SGP's file holds does not land",
        "see what 'ponte status' says of it; else the feeder's log",
    ),
    Cause.CLOCK_SKEWED: (
        "SGP's and the VPS's clocks differ",
        "set both clocks by NTP: 'timedatectl', on Windows 'w32tm /resync'",
    ),
    Cause.DRIFTED: ("what is published or subscribed is not what was applied", "run 'ponte plan'"),
    Cause.BEAT_LOST: (
        "changes pass and the heartbeat does not: its row is gone",
        "at that hop's target 'ALTER SUBSCRIPTION … DROP PUBLICATION' of the heartbeat, then 'ponte apply'"
        " copies it again",
    ),
    Cause.COPYING: ("tables are being copied", "wait; 'ponte lag --watch' shows which"),
    Cause.CATCHING_UP: (
        "everything runs and is behind",
        "wait; 'ponte lag --watch' shows whether it shrinks",
    ),
    Cause.UNKNOWN: ("why is not known", "run 'ponte status' on the intranet"),
}
"""What each cause means, and the next step."""

_SAID = "on {endpoint}: {said}"
DETAILS: dict[Cause, str] = {
    Cause.SERVER_STARTING: "{said}",
    Cause.DATABASE_MISSING: "{said}",
    Cause.WATCH_REFUSED: "{said}",
    Cause.SERVER_FULL: "{said}",
    Cause.VPS_DOWN: "{said}",
    Cause.SLOT_LOST: "{slot} on {endpoint}, {reason}",
    Cause.SUBSCRIPTION_MISSING: "on {endpoint}",
    Cause.SUBSCRIPTION_DISABLED: "{subscription} on {endpoint}",
    Cause.WORKERS_SHORT: "on {endpoint}, by {setting}",
    Cause.NOTIFY_FULL: "on {endpoint}, held by process {pid}, {who}: SELECT pg_terminate_backend({pid})",
    Cause.KEY_MISSING: "on {endpoint}, {table}",
    Cause.APPLY_BLOCKED: "{subscription} on {endpoint}, by process {pid}",
    Cause.SLOT_TAKEN: "{slot} on {endpoint}, from {address}",
    Cause.APPLY_FAILING: _SAID,
    Cause.EXPORT_CUT: _SAID,
    Cause.PUSH_REFUSED: "{said}",
    Cause.PUSH_REJECTED: "{said}",
    Cause.PUSH_UNREACHABLE: "{said}",
    Cause.PUSH_STOPPED: "{said}",
    Cause.INTAKE_CUT: _SAID,
}
"""What a fault adds to its cause."""

LOSSES = {
    "wal_removed": "passed max_slot_wal_keep_size",
    "idle_timeout": "idle for longer than idle_replication_slot_timeout",
    "rows_removed": "the rows of the catalog that it needs are gone",
    "wal_level_insufficient": "wal_level was lowered",
    "dropped": "dropped",
    "replaced": "made anew by somebody",
}
"""Why a slot was lost; the first four are PostgreSQL's words for it."""
UNSAID = "that server's log says why"


def describe_faults(measured: Measurement, cause: Cause) -> str:
    """Return what is known of a cause beside its name, in brackets; nothing where nothing is."""
    details = [describe_fault(fault) for fault in measured.faults if fault.cause is cause]
    known = "; ".join(dict.fromkeys(detail for detail in details if detail))
    return f" ({known})" if known else ""


def describe_fault(fault: Fault) -> str:
    """Return what a fault adds to its cause; nothing where no more is known."""
    if fault.cause not in DETAILS:
        return ""
    values = {**fault.values}
    if "reason" in values:
        values["reason"] = LOSSES.get(values["reason"], values["reason"])
    if "said" in values:
        values["said"] = values["said"] or UNSAID
    return DETAILS[fault.cause].format(endpoint=fault.endpoint, **values)

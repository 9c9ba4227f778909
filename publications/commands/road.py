"""Commands that change the road: migrate, plan, apply, release."""

from __future__ import annotations

import argparse
import json
import os

from db.migrate import History, emit_sql, migrate
from db.reasons import explained
from db.unreached import open_database
from db.versions import list_versions, refuse_newer
from publications.act.apply import apply, settle, wait_for_copies
from publications.act.endpoints import Endpoints, find_histories
from publications.act.release import release
from publications.act.resync import resync
from publications.commands import FAILED, OK, PENDING, talk
from publications.commands.given import find_given, read_given
from publications.commands.plan_text import to_json, to_script, to_text
from publications.commands.telling import copies_shown, tell_step
from publications.declare.declaration import STARTING_PATH, make_schema, read_text
from publications.settings import dsn_variable, read_settings


def print_schema(_: argparse.Namespace) -> int:
    """Print the declaration's JSON Schema."""
    print(json.dumps(make_schema(), indent=2))
    return OK


def print_declaration(arguments: argparse.Namespace) -> int:
    """Print the declaration as it stands, or the one to start from."""
    print(read_text(STARTING_PATH if arguments.starting else find_given(arguments)), end="")
    return OK


def release_column(arguments: argparse.Namespace) -> int:
    """Stop sending a column."""
    with _open(arguments) as endpoints, copies_shown(endpoints):
        release(endpoints, arguments.column, report=tell_step)
    talk.print("released; after SGP's migration run 'ponte migrate-helper restore'")
    return OK


def migrate_all(arguments: argparse.Namespace) -> int:
    """Bring the tables up to date."""
    if arguments.sql:
        for history in History:
            emit_sql(history)
        return OK
    declaration = read_given(arguments)
    settings = read_settings(declaration, os.environ)
    histories = {at: one for at, one in find_histories(declaration).items() if at in settings.dsns}
    for endpoint, history in histories.items():
        source = dsn_variable(endpoint)
        with (
            explained(endpoint, source),
            open_database(settings.dsn(endpoint), name=endpoint, source=source) as connection,
        ):
            refuse_newer(connection, history, endpoint)
    for endpoint, history in histories.items():
        with explained(endpoint, dsn_variable(endpoint)):
            migrate(history, settings.dsn(endpoint))
        talk.print(f"{endpoint}: at version {list_versions(history)[0]}")
    return OK


def make_plan(arguments: argparse.Namespace) -> int:
    """Print what there is to do."""
    with _open(arguments, partial=True) as endpoints:
        reading = endpoints.read()
        _tell_unseen(endpoints)
    if arguments.json:
        print(to_json(reading.plan, refusals=reading.refusals, findings=reading.findings))
    else:
        print(
            to_script(reading.plan) if arguments.sql else to_text(reading.plan, agrees=not reading.objections)
        )
    for word, errors in (("refused", reading.refusals), ("found", reading.findings)):
        for error in errors:
            talk.print(f"{word}: {error}", markup=False, soft_wrap=True)
    if reading.refusals:
        return FAILED
    return PENDING if reading.plan.steps or reading.findings else OK


def apply_plan(arguments: argparse.Namespace) -> int:
    """Do it."""
    with _open(arguments) as endpoints, copies_shown(endpoints):
        done = apply(endpoints, allow_drop=arguments.allow_drop, report=tell_step)
        _tell_unseen(endpoints)
        if arguments.no_wait:
            settle(endpoints)
        else:
            wait_for_copies(endpoints)
        left = endpoints.read().plan
    print(f"applied {len(done.steps)} steps; {to_text(left)}")
    return PENDING if left.steps else OK


def _tell_unseen(endpoints: Endpoints) -> None:
    """Say what is left alone because it is pushed to and there is no other way there."""
    for name in endpoints.unseen:
        talk.print(
            f"{name} can't be seen from here ({dsn_variable(name)} is not set): its own tables, roles and"
            " subscriptions were not compared",
            markup=False,
            soft_wrap=True,
        )


def resync_tables(arguments: argparse.Namespace) -> int:
    """Copy tables again over themselves."""
    with _open(arguments) as endpoints, copies_shown(endpoints):
        done = resync(endpoints, arguments.table, report=tell_step)
        wait_for_copies(endpoints)
        left = endpoints.read().plan
    print(f"applied {len(done.steps)} steps; {to_text(left)}")
    return PENDING if left.steps else OK


def _open(arguments: argparse.Namespace, *, partial: bool = False) -> Endpoints:
    declaration = read_given(arguments)
    return Endpoints(declaration, read_settings(declaration, os.environ), partial=partial)

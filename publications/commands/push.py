"""The push's service, without what only an administrator's commands load."""

from __future__ import annotations

import argparse

from db.errors import SettingsError
from db.logs import start_logging
from publications.commands import OK
from publications.commands.given import read_given
from publications.declare.declaration import Declaration, Export
from publications.push.sender import Sender, log
from publications.push.service import push_once, run_service
from publications.push.settings import PushSettings


def push(arguments: argparse.Namespace) -> int:
    """Send what is published to a subscriber, until asked to stop."""
    declaration = read_given(arguments)
    export = _choose(declaration, arguments.subscriber)
    settings = PushSettings.load()
    start_logging(package=log.name)
    sender = Sender(settings, declaration, export)
    if arguments.once:
        push_once(sender, settings)
    else:
        run_service(sender, settings)
    return OK


def _choose(declaration: Declaration, name: str | None) -> Export:
    """Return the export that is pushed. Raise SettingsError where none is, or not which of several."""
    pushes = {push.target: push for push in declaration.pushes}
    if name is None and len(pushes) == 1:
        return next(iter(pushes.values()))
    if name in pushes:
        return pushes[name]
    if pushes:
        raise SettingsError("which subscriber is to be pushed to?", f"name one of: {', '.join(pushes)}")
    raise SettingsError(
        "the declaration pushes to nobody",
        "write transport = \"push\" into the subscriber's [[exports]], then run 'ponte apply'",
    )

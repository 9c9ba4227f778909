"""Commands that look: status, lag, panel."""

from __future__ import annotations

import argparse
import contextlib
import os
import time

from rich.console import RenderableType
from rich.live import Live

from db.extras import need
from publications.commands import OK, PENDING, Screen
from publications.commands.given import read_given
from publications.faces import machine as report
from publications.faces.tables import hops_table
from publications.faces.terminal import to_renderable
from publications.settings import WatchSettings, read_healing_dsns, read_watch_dsns
from publications.watch.checks import Check, Level, check_recording, check_view, find_worst
from publications.watch.link_settings import LinkSettings
from publications.watch.mending import SelfMender
from publications.watch.road import Watch, look_once
from publications.watch.view import View

PIPE_WIDTH = 240


def show_status(arguments: argparse.Namespace) -> int:
    """Show how fresh the VPS is, why, and what to do."""
    view, checks = _look(arguments)
    if arguments.nagios:
        print(report.to_nagios(view, checks))
        return int(find_worst(checks))
    if arguments.json:
        print(report.to_json(view, checks))
    else:
        show(to_renderable(view, checks))
    return OK if find_worst(checks) is Level.OK else PENDING


def show_lag(arguments: argparse.Namespace) -> int:
    """Show how far each hop is behind."""
    if arguments.watch:
        return _watch_lag(arguments)
    view, checks = _look(arguments)
    if arguments.json:
        print(report.to_json(view, checks))
    else:
        show(hops_table(view))
    return OK if all(view.measure(name).is_ok for name in view.subscribers) else PENDING


def serve_panel(arguments: argparse.Namespace) -> int:
    """Serve the shop's panel."""
    with need("ops"):
        # Half a second of web server that the other commands do not need.
        from publications.panel.server import serve  # noqa: PLC0415

    declaration = read_given(arguments)
    settings = WatchSettings.load()
    mender = None
    if settings.heal:
        mender = SelfMender(read_healing_dsns(declaration, os.environ), settings.heal_removed_percent)
    return serve(declaration, read_watch_dsns(declaration, os.environ), settings, mender)


def _look(arguments: argparse.Namespace) -> tuple[View, list[Check]]:
    declaration = read_given(arguments)
    dsns, disk = read_watch_dsns(declaration, os.environ), WatchSettings.load().disk
    view = look_once(declaration, dsns, disk=disk, link=LinkSettings.load())
    silence = check_recording(view.sights[view.window].silence_s)
    return view, [*check_view(view), silence]


def _watch_lag(arguments: argparse.Namespace) -> int:
    """Show it until Ctrl-C, which is the way to end and so no failure."""
    declaration = read_given(arguments)
    settings = WatchSettings.load()
    dsns = read_watch_dsns(declaration, os.environ)
    with Watch(declaration, dsns, interval_s=settings.poll_seconds / 2, disk=settings.disk) as watch:
        view = watch.look_first()
        with (
            contextlib.suppress(KeyboardInterrupt),
            Live(
                to_renderable(view, check_view(view)), console=Screen(markup=False), auto_refresh=False
            ) as live,
        ):
            while True:
                time.sleep(settings.poll_seconds / 2)
                view = watch.look()
                live.update(to_renderable(view, check_view(view)), refresh=True)
    return OK


def show(shown: RenderableType) -> None:
    """Print on stdout, in a pipe without breaking lines."""
    out = Screen(highlight=False, markup=False)
    pipe = Screen(highlight=False, markup=False, width=PIPE_WIDTH)
    out.print(shown, soft_wrap=True) if out.is_terminal else pipe.print(shown, soft_wrap=True)

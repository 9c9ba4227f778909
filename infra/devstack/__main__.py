"""`python -m infra.devstack`: up, down, status, link and demo."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from db.endings import Parser, run_program
from db.extras import need

with need("devstack"):
    from rich.console import Console

    from db.engines import connect
    from db.waiting import wait_until
    from infra.devstack.demo import Demo, introduce
    from infra.devstack.errors import AlreadyRunningError, DevstackError, NotRunningError, RuntimeRootError
    from infra.devstack.layout import StackSettings
    from infra.devstack.ports import read_ports
    from infra.devstack.postgres import runtime_root
    from infra.devstack.stack import CLUSTERS, Stack
    from infra.devstack.state import is_running, read_state
    from infra.devstack.supervisor import ControlServer, send_command
    from publications.declare.declaration import Transport

REPOSITORY = Path(__file__).resolve().parents[2]
DEV_ROOT = "PONTE_DEV_ROOT"
LINK_MODES = ("cut", "deafen", "slow", "heal")

talk = Console(stderr=True, highlight=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 failed with two lines on stderr."""
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    return run_program(lambda: run(arguments), verbose=arguments.verbose)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="devstack", description="The whole of Ponte on this machine.")
    parser.add_argument("-v", "--verbose", action="store_true", help="show tracebacks")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="run until Ctrl-C or 'down'")
    _take_transport(up)
    up.set_defaults(run=_up)
    down = commands.add_parser("down", help="stop what runs")
    down.add_argument("--wipe", action="store_true", help="also delete its data")
    down.set_defaults(run=_down)
    commands.add_parser("status", help="what runs, asked of each part").set_defaults(run=_status)
    link = commands.add_parser("link", help="break the link to the VPS, or heal it")
    link.add_argument("mode", choices=LINK_MODES)
    link.add_argument("--delay", type=float, default=0.2, metavar="SECONDS", help="for slow (default: 0.2)")
    link.set_defaults(run=_link)
    demo = commands.add_parser("demo", help="show orders travel")
    demo.add_argument("--once", action="store_true", help="one time, then stop")
    demo.add_argument("--json", action="store_true", help="with --once: one object on stdout")
    _take_transport(demo)
    demo.set_defaults(run=_demo)
    return parser


def _take_transport(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--transport",
        choices=["replication", "push"],
        default="replication",
        help="who brings the VPS its rows (default: replication)",
    )


def _say(text: str) -> None:
    talk.print(text, markup=False, soft_wrap=True)


def _root() -> Path:
    """Return where the stack's data lies: below PONTE_DEV_ROOT, else the repository, else where it is run."""
    home = REPOSITORY if (REPOSITORY / "pyproject.toml").is_file() else Path.cwd()
    given = Path(os.environ.get(DEV_ROOT) or home)
    if not given.is_dir():
        hint = f"make that folder, or unset {DEV_ROOT}"
        raise RuntimeRootError(f"{DEV_ROOT} names {given}, which is no folder", hint)
    return runtime_root(given)


def _make_stack(transport: Transport = "replication") -> Stack:
    settings = StackSettings(
        root=_root(), ports=read_ports(os.environ), environ=os.environ, parameters={}, transport=transport
    )
    return Stack(settings, say=_say)


class _Running:
    """The stack, up for the length of a block, with its control server."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.stopping = threading.Event()
        self._control: ControlServer | None = None

    def __enter__(self) -> _Running:
        for name in ("SIGTERM", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda *_: self.stopping.set())
        if is_running(self.stack.settings.root):
            raise AlreadyRunningError("the dev stack already runs", "stop it with 'down', or use its ports")
        try:
            self.stack.start()
            self._control = ControlServer(self.stack.settings.root, self._handlers())
            self._control.start()
            self.stack.remember(self._control.port)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        _say("stopping")
        if self._control:
            self._control.stop()
        self.stack.stop()

    def _handlers(self) -> dict[str, Callable[[dict[str, Any]], dict[str, object]]]:
        return {"stop": self._stop, "status": self._describe, "link": self._break_link}

    def _stop(self, _: dict[str, Any]) -> dict[str, object]:
        self.stopping.set()
        return {}

    def _describe(self, _: dict[str, Any]) -> dict[str, object]:
        return {"link": str(self.stack.link.mode), "services": list(self.stack.supervisor.processes())}

    def _break_link(self, request: dict[str, Any]) -> dict[str, object]:
        link = self.stack.link
        actions: dict[str, Callable[[], None]] = {
            "cut": link.cut,
            "deafen": link.deafen,
            "slow": partial(link.slow, float(request.get("delay_s", 0.2))),
            "heal": link.heal,
        }
        actions[request["mode"]]()
        return {"link": str(link.mode)}


def _up(arguments: argparse.Namespace) -> int:
    with _Running(_make_stack(arguments.transport)) as running:
        _introduce(running.stack)
        _say("Ctrl-C stops it")
        running.stack.supervisor.watch(running.stopping)
    return 0


def _introduce(stack: Stack) -> None:
    names = (*CLUSTERS, "link", "api", "panel")
    ports = {name: getattr(stack.settings.ports, name) for name in names}
    for line in introduce(
        stack.settings.api_url, ports, root=stack.settings.root, declaration=stack.settings.declaration_file
    ):
        _say(line)


def _down(arguments: argparse.Namespace) -> int:
    stack = _make_stack()
    root = stack.settings.root
    state = read_state(root)
    try:
        send_command(root, "stop")
    except NotRunningError:
        stack.stop()
    else:
        if state and not _gone(root):
            raise DevstackError("the dev stack is still stopping", "run 'down' again in a moment")
    if arguments.wipe:
        stack.wipe()
    _say("the dev stack is down" + (" and its data deleted" if arguments.wipe else ""))
    return 0


def _gone(root: Path) -> bool:
    return wait_until(lambda: read_state(root) is None, 60)


def _status(_: argparse.Namespace) -> int:
    stack = _make_stack()
    down = []
    for name, cluster in stack.clusters.items():
        answer = _ask_version(cluster.conninfo()) if cluster.is_running() else None
        print(f"{name:<8} {answer or 'down'}")
        down += [] if answer else [name]
    try:
        reply = send_command(stack.settings.root, "status")
    except NotRunningError:
        print("services down")
        return 1
    print(f"link     {reply['link']}\nservices {', '.join(reply['services']) or 'none'}")
    return 1 if down else 0


def _ask_version(conninfo: str) -> str | None:
    try:
        with connect(conninfo) as conn:
            row = conn.execute("SELECT 'PostgreSQL ' || current_setting('server_version')").fetchone()
            return str(row[0]) if row else None
    except psycopg.OperationalError:
        return None


def _link(arguments: argparse.Namespace) -> int:
    reply = send_command(_root(), "link", mode=arguments.mode, delay_s=arguments.delay)
    _say(f"the link is {reply['link']}")
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    stack = _make_stack(arguments.transport)
    root = stack.settings.root
    if is_running(root):
        _introduce(stack)
        cut, heal = (partial(send_command, root, "link", mode=mode) for mode in ("cut", "heal"))
        return _show(arguments, stack, cut=cut, heal=heal, stopping=threading.Event())
    with _Running(stack) as running:
        _introduce(stack)
        return _show(arguments, stack, cut=stack.link.cut, heal=stack.link.heal, stopping=running.stopping)


def _show(
    arguments: argparse.Namespace,
    stack: Stack,
    *,
    cut: Callable[[], object],
    heal: Callable[[], object],
    stopping: threading.Event,
) -> int:
    demo = Demo(clusters=stack.clusters, api_url=stack.settings.api_url, cut=cut, heal=heal, say=_say)
    if not (arguments.once or arguments.json):
        _say("Ctrl-C stops it")
        demo.run_on(stopping)
        return 0
    result = demo.run_once()
    print(result.to_json() if arguments.json else "the demo is done")
    return 0 if result.pending_after_cut == 0 else 1


if __name__ == "__main__":
    sys.exit(main())

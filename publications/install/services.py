"""Services: systemd units, rendered from those of `infra/systemd` for the places of one machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path

from publications.install.machine import Machine, OwnedFile
from publications.install.run import run, succeeds
from publications.install.step import Step

HINT = "see 'systemctl status' and 'journalctl -u' of that unit"


def render_unit(name: str, machine: Machine, *, bindir: Path | None = None) -> OwnedFile:
    """Return a unit with a machine's own paths and users."""
    text = files("infra").joinpath("systemd", name).read_text(encoding="utf-8")
    for old, new in (
        ("User=ponte-", f"User={machine.account('')}"),
        ("/usr/lib/postgresql/18/bin", str(bindir)),
        ("/etc/ponte", str(machine.folder)),
        ("/var/lib/ponte", str(machine.data)),
        ("/opt/ponte", str(machine.venv)),
    ):
        text = text.replace(old, new)
    return OwnedFile(path=machine.units / name, text=text)


def install_units(units: Iterable[OwnedFile]) -> Iterator[Step]:
    """Yield the steps that write units and have systemd read them."""
    for unit in units:
        yield Step(f"unit {unit.path.name}", unit.is_there, partial(_write_and_reload, unit))


def _write_and_reload(unit: OwnedFile) -> None:
    unit.write()
    run("systemctl", "daemon-reload", hint="systemd has to be this machine's first process")
    if is_active(unit.path.name):
        run("systemctl", "restart", unit.path.name, hint=HINT)


def start(name: str, *, says: str = "") -> Step:
    """Return the step that starts a unit, now and at every boot."""

    def do() -> None:
        run("systemctl", "daemon-reload", hint="systemd has to be this machine's first process")
        run("systemctl", "enable", "--now", name, hint=HINT)

    return Step(says or f"start {name}", lambda: is_active(name) and is_enabled(name), do)


def restart(names: Iterable[str]) -> Step:
    """Return the act that restarts those units that run: what follows a change of their settings."""
    wanted = tuple(names)

    def do() -> None:
        for name in filter(is_active, wanted):
            run("systemctl", "restart", name, hint=HINT)

    return Step(f"restart {', '.join(wanted)}", lambda: False, do)


def remove(name: str, machine: Machine) -> Step:
    """Return the step that stops a unit and takes it away."""
    path = machine.units / name

    def do() -> None:
        if path.exists():
            run("systemctl", "disable", "--now", name, hint=HINT)
            path.unlink()
            run("systemctl", "daemon-reload")

    return Step(f"stop and remove {name}", lambda: not path.exists(), do)


def is_active(name: str) -> bool:
    """Tell whether a unit runs."""
    return succeeds("systemctl", "is-active", "--quiet", name)


def is_enabled(name: str) -> bool:
    """Tell whether a unit starts at boot."""
    return succeeds("systemctl", "is-enabled", "--quiet", name)


def settings_of(name: str, machine: Machine, settings: Mapping[str, str]) -> OwnedFile:
    """Return a service's file of settings that are no secrets."""
    lines = (f"{variable}={value}\n" for variable, value in settings.items())
    return OwnedFile(path=machine.folder / f"{name}.env", text="".join(lines))


def small_settings() -> dict[str, str]:
    """Return the API's settings for a VPS of 1 GB."""
    lines = files("infra").joinpath("vps", "api-1gb.env").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}

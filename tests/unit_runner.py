"""`systemctl` for machines where systemd does not run: services are started by what their unit files say.

Of a unit it takes User, Environment, EnvironmentFile, ExecStartPre, ExecStart, KillSignal, Restart,
RestartSec and RestartPreventExitStatus. What systemd shuts off around a service (ProtectSystem) is not tried.

PONTE_TEST_UNITS names the folder of the units; pids, logs and marks lie in the folder `run` below it.
"""

from __future__ import annotations

import os
import pwd
import shlex
import signal
import string
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

STOP_S = 60
POLL_S = 0.05


def main(argv: list[str]) -> int:
    """Do one command of systemctl's."""
    words = [word for word in argv if not word.startswith("--")]
    now = "--now" in argv
    command, *given = words
    names = [name if "." in name else f"{name}.service" for name in given]
    for name in names:
        if command != "supervise" and not unit_path(name).exists():
            sys.stderr.write(f"Unit {name} does not exist.\n")
            return 4
    if command in {"is-active", "is-enabled"}:
        return 0 if all((is_active if command == "is-active" else is_enabled)(name) for name in names) else 3
    for name in names:
        act(command, name, now=now)
    return 0


def act(command: str, name: str, *, now: bool) -> None:
    """Change one unit."""
    if command in {"stop", "restart"} or (command == "disable" and now):
        stop(name)
    if command in {"start", "restart"} or (command == "enable" and now):
        start(name)
    if command == "enable":
        place(name, "enabled").touch()
    if command == "disable":
        place(name, "enabled").unlink(missing_ok=True)
    if command == "supervise":
        supervise(name)


def unit_path(name: str) -> Path:
    """Where a unit lies."""
    return Path(os.environ["PONTE_TEST_UNITS"], name)


def place(name: str, what: str) -> Path:
    """Where we keep what we know of it."""
    folder = Path(os.environ["PONTE_TEST_UNITS"], "run")
    folder.mkdir(exist_ok=True)
    return folder / f"{name}.{what}"


def read_unit(name: str) -> dict[str, list[str]]:
    """Return the assignments, each with all its values."""
    found: dict[str, list[str]] = {}
    for line in unit_path(name).read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def is_enabled(name: str) -> bool:
    return place(name, "enabled").exists()


def is_active(name: str) -> bool:
    """A timer is active when it was started; a service when its supervisor lives and its program runs."""
    if name.endswith(".timer"):
        return place(name, "started").exists()
    return supervisor(name) is not None


def supervisor(name: str) -> int | None:
    """Return its process, from /proc: a library would make each of a thousand commands twice as long."""
    with suppress(FileNotFoundError, ValueError, ProcessLookupError):
        pid = int(place(name, "pid").read_text())
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        if state != "Z" and name in words:
            return pid
    return None


def start(name: str) -> None:
    if name.endswith(".timer"):
        place(name, "started").touch()
    if is_active(name):
        return
    with place(name, "log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, __file__, "supervise", name],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    place(name, "pid").write_text(str(child.pid))


def stop(name: str) -> None:
    place(name, "started").unlink(missing_ok=True)
    pid = supervisor(name)
    if pid is None:
        return
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    while supervisor(name) == pid:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            raise TimeoutError(f"{name} did not stop in {STOP_S} s")
        time.sleep(POLL_S)


def supervise(name: str) -> None:
    """Run a service's program until told to stop, as its unit says."""
    unit = read_unit(name)
    told: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def end(number: int, _: object) -> None:
        told.append(number)
        if child is not None:
            with suppress(ProcessLookupError):
                child.send_signal(signal.Signals[unit.get("KillSignal", ["SIGTERM"])[0]])

    signal.signal(signal.SIGTERM, end)
    never = {int(code) for code in unit.get("RestartPreventExitStatus", [])}
    while not told:
        child = run(unit)
        if told:
            child.send_signal(signal.SIGTERM)
        code = child.wait()
        if told or unit.get("Restart") != ["always"] or code in never:
            break
        time.sleep(float(unit["RestartSec"][0]))


def run(unit: dict[str, list[str]]) -> subprocess.Popen[bytes]:
    """Start ExecStart as its user, with its own environment and no other."""
    account, environment = pwd.getpwnam(unit["User"][0]), read_environment(unit)
    for before in unit.get("ExecStartPre", []):
        words = [string.Template(word).safe_substitute(environment) for word in shlex.split(before)]
        subprocess.run(words, env=environment, user=account.pw_uid, group=account.pw_gid, check=True, cwd="/")
    return subprocess.Popen(
        shlex.split(unit["ExecStart"][0]),
        env=environment, user=account.pw_uid, group=account.pw_gid, cwd="/",
        extra_groups=os.getgrouplist(account.pw_name, account.pw_gid),
        stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def read_environment(unit: dict[str, list[str]]) -> dict[str, str]:
    lines = list(unit.get("Environment", []))
    for given in unit.get("EnvironmentFile", []):
        path = Path(given.removeprefix("-"))
        if path.exists() or not given.startswith("-"):
            lines += [
                line for line in path.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"
            ]
    pairs = (line.partition("=") for line in lines)
    return {"PATH": os.defpath, "LANG": "C.UTF-8", **{name: value for name, _, value in pairs}}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Whoever types what docs/install.md says, and who then looks: on the panel, and as a phone."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from db.waiting import wait_until
from infra.devstack.seed import DEMO_LOGIN
from tests.fix_install import Shop

MOST_COMMANDS = 10
DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^```sh (?P<kind>[a-z-]+)\n(?P<commands>.*?)^```$", re.MULTILINE | re.DOTALL)


def read_commands(*kinds: str, page: str = "install") -> list[tuple[str, str]]:
    """Return a page's commands in their order, each with the machine it is for."""
    blocks = BLOCK.finditer((DOCS / f"{page}.md").read_text(encoding="utf-8"))
    found = [(block["kind"], block["commands"].splitlines()) for block in blocks if block["kind"] in kinds]
    return [(kind, command) for kind, commands in found for command in commands]


class Technician:
    """Types what the page says, with this shop's places for the page's."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.before = ""
        """What a shell keeps from one command to the next."""

    def translate(self, command: str) -> str:
        shop = self.shop
        for said, here in (
            ("./sgp_ponte-0.2.0", "./sgp_ponte-0.1.0"),
            ("/opt/ponte", str(shop.venv)),
            ("ponte init", f"ponte init --folder {shop.intranet.folder}"),
            ("ponte uninstall", f"ponte uninstall --folder {shop.intranet.folder}"),
            ("/root/", f"{shop.root}/"),
            ("root@100.64.0.7:", str(shop.root / "vps")),
            ("scp ", "cp "),
            ("/etc/ponte", str(shop.intranet.folder)),
            ("/var/lib/ponte", str(shop.intranet.data)),
        ):
            command = command.replace(said, here)
        return command

    def types(self, kind: str, command: str, answers: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        shop = self.shop
        machine, cwd = (shop.vps, shop.root / "vps") if "vps" in kind else (shop.intranet, shop.root)
        before = self.before if kind == "intranet" else ""
        done = shop.type(before + self.translate(command), machine, cwd=cwd, answers=answers)
        if command.startswith(". "):
            self.before = self.translate(command) + "\n"
        return done

    def expects(self, code: int, kind: str, command: str, answers: Sequence[str] = ()) -> str:
        done = self.types(kind, command, answers)
        assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}{self.shop.logs()}"
        return done.stdout

    def installs(self, say: Callable[[str], None]) -> list[dict[str, Any]]:
        """Type all that leads from a bare state to the first order on a phone; return the orders there."""
        shop, answers, began = self.shop, list(self.shop.answers.values()), time.monotonic()
        commands = read_commands("intranet", "vps")
        [*installing, (_, look)] = commands
        assert look == "ponte status"
        inits = 0
        for kind, command in installing:
            is_init = command.endswith("ponte init")
            inits += is_init
            self.expects(3 if is_init and inits == 1 else 0, kind, command, answers if is_init else ())
        assert wait_until(lambda: self.types("intranet", look).returncode == 0, 60), shop.logs()
        assert re.search(r"^vps: OK, ", self.expects(0, "intranet", look), re.MULTILINE)
        assert wait_until(lambda: panel_says_ok(shop), 30), shop.logs()
        orders: list[dict[str, Any]] = fetch(shop, "/pedidos/", token=log_in(shop))
        minutes = (time.monotonic() - began) / 60
        say(f"{len(commands)} commands, {shop.asked} questions, {minutes:.2f} minutes")
        assert len(commands) <= MOST_COMMANDS
        assert shop.asked == len(answers)
        return orders


def fetch(shop: Shop, path: str, *, token: str = "", body: Any = None) -> Any:
    """Ask the VPS as a phone does: over HTTPS, by its public address, trusting Caddy's authority."""
    root = shop.vps.data / "https/caddy/pki/authorities/local/root.crt"
    request = urllib.request.Request(shop.answers["public_url"] + path)  # noqa: S310  # our own
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    data = json.dumps(body).encode() if body else None
    context = ssl.create_default_context(cafile=root)
    with urllib.request.urlopen(request, data, timeout=10, context=context) as answer:  # noqa: S310
        return json.load(answer)


def log_in(shop: Shop) -> str:
    """Return a session, as soon as the passwords have arrived."""
    found: list[str] = []

    def try_it() -> bool:
        name, password = DEMO_LOGIN
        try:
            answer = fetch(shop, "/auth/login", body={"username": name, "password": password})
        except OSError:
            return False
        found.append(answer["session_token"])
        return True

    assert wait_until(try_it, 60, poll_s=0.3), shop.logs()
    return found[0]


def panel_says_ok(shop: Shop) -> bool:
    try:
        url = f"http://127.0.0.1:{shop.ports['panel_port']}/"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return "Sincronização: OK" in answer.read().decode()
    except OSError:
        return False

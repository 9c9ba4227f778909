"""`python -m infra.tailscale`: print the policy, or wait until the tailnet's address is there."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from infra.tailscale.bindable import WAIT_S, wait_bindable
from infra.tailscale.policy import FILE, read_policy, to_headscale

OK, FAILED = 0, 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command: 0 done, 1 the address did not come in time, 2 wrong words."""
    arguments = _parser().parse_args(argv)
    if arguments.command == "wait":
        return OK if wait_bindable(arguments.address, arguments.seconds, _say) else FAILED
    text = FILE.read_text(encoding="utf-8").rstrip()
    print(json.dumps(to_headscale(read_policy()), indent=2) if arguments.headscale else text)
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tailscale", description="The shop's tailnet.")
    commands = parser.add_subparsers(required=True, dest="command", metavar="COMMAND")
    one = commands.add_parser("policy", help="print the policy file")
    one.add_argument("--headscale", action="store_true", help="the same as headscale takes it")
    one = commands.add_parser("wait", help="wait until a service can listen on an address")
    one.add_argument("address", help="such as 100.64.0.7")
    one.add_argument("--seconds", type=float, default=WAIT_S, help=f"at most so long (default: {WAIT_S:g})")
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

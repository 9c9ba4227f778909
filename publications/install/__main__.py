"""`python -m publications.install BUNDLE`: makes this machine a VPS; run by the archive's `install`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pydantic import ValidationError

from db.endings import OK, PENDING, Parser, run_program
from db.errors import SettingsError, word
from publications.install.bundle import Bundle
from publications.install.step import carry_out, list_steps
from publications.install.vps import leave_vps, make_vps


def main() -> int:
    """Do what is left and return an exit code."""
    parser = Parser(prog="install", description="Make this machine the VPS of a shop.")
    parser.add_argument("bundle", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--uninstall", action="store_true", help="stop and remove the services instead")
    parser.add_argument(
        "--delete-data", action="store_true", help="with --uninstall: delete data and settings too"
    )
    arguments = parser.parse_args()
    return run_program(lambda: _run(arguments), name="install")


def _run(arguments: argparse.Namespace) -> int:
    bundle = _read(arguments.bundle)
    steps = leave_vps(bundle, delete_data=arguments.delete_data) if arguments.uninstall else make_vps(bundle)
    if arguments.dry_run:
        return OK if list_steps(steps, _say) else PENDING
    count = carry_out(steps, _say)
    sys.stderr.write(f"{count} steps done; this machine is as it should be\n")
    return OK


def _say(state: str, what: str) -> None:
    sys.stderr.write(f"{state:<6} {what}\n")
    sys.stderr.flush()


def _read(path: Path) -> Bundle:
    try:
        return Bundle.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {word(error)}", "unpack the archive anew") from error
    except ValidationError as error:
        raise SettingsError(
            f"{path} is of another version of Ponte", "run 'ponte init' anew, and copy it"
        ) from error


if __name__ == "__main__":
    sys.exit(main())

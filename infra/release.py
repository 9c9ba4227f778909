"""Build into `dist/` what a shop is given: the wheel, the pinned list beside it, and the bill of materials.

Run by `make release`. The bill is CycloneDX 1.6, made of the pinned lists alone, so it is the same each time.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "infra" / "requirements"
LISTS = ("intranet.txt", "vps.txt")
"""What is installed on the shop's machines."""
BILL = "sgp-ponte.cdx.json"
_PIN = re.compile(r"^([\w.-]+)==([^\s;\\]+)((?:.*\\\n)(?:.*--hash=.*\n)+)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def read_pins(text: str) -> dict[tuple[str, str], list[str]]:
    """Return the hashes of each name and version of a pinned list."""
    return {(name, version): _HASH.findall(rest) for name, version, rest in _PIN.findall(text)}


def make_bill(lists: list[str], *, name: str, version: str) -> dict[str, Any]:
    """Return the bill of materials of all that these lists pin."""
    pins = {pin: hashes for text in lists for pin, hashes in read_pins(text).items()}
    root = f"pkg:pypi/{name}@{version}"
    components = [
        {
            "type": "library",
            "bom-ref": (purl := f"pkg:pypi/{library.lower()}@{pinned}"),
            "name": library,
            "version": pinned,
            "purl": purl,
            "hashes": [{"alg": "SHA-256", "content": one} for one in hashes],
        }
        for (library, pinned), hashes in sorted(pins.items())
    ]
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": name,
                "version": version,
                "purl": root,
            }
        },
        "components": components,
        "dependencies": [{"ref": root, "dependsOn": [one["bom-ref"] for one in components]}],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bill, sort_keys=True))
    return {**bill, "serialNumber": f"urn:uuid:{serial}"}


def main() -> int:
    """Build all three."""
    target = ROOT / "dist"
    shutil.rmtree(target, ignore_errors=True)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [(REQUIREMENTS / one).read_text(encoding="utf-8") for one in LISTS]
    bill = make_bill(lists, name=project["name"], version=project["version"])
    (target / BILL).write_text(json.dumps(bill, indent=1) + "\n", encoding="utf-8")
    shutil.copy(REQUIREMENTS / LISTS[0], target)
    print(*sorted(path.name for path in target.iterdir()), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

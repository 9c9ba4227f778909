"""Where the stack lives and listens, and what lies where below its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.devstack.clusters import HOST
from infra.devstack.ports import Ports
from infra.devstack.secrets import SecretFolders
from publications.declare.declaration import STARTING_PATH, Transport


@dataclass(frozen=True)
class StackSettings:
    """Where the stack lives and listens."""

    root: Path
    ports: Ports
    environ: Mapping[str, str]
    parameters: Mapping[str, str]
    """PostgreSQL settings for all three clusters, on top of the ones that every cluster gets."""
    transport: Transport = "replication"
    """Who brings the VPS its rows."""

    @property
    def folders(self) -> SecretFolders:
        """Where each process finds its secrets."""
        return SecretFolders(self.root)

    @property
    def declaration_file(self) -> Path:
        """The declaration that it follows."""
        return self.root / "sgp.toml" if self.transport == "push" else STARTING_PATH

    @property
    def media_root(self) -> Path:
        """SGP's folder of photos."""
        return self.root / "media"

    @property
    def miniaturas(self) -> Path:
        """Where the worker puts miniaturas and the API finds them."""
        return self.root / "miniaturas"

    @property
    def api_url(self) -> str:
        """The read API's address."""
        return f"http://{HOST}:{self.ports.api}"

    @property
    def panel_url(self) -> str:
        """The shop's panel."""
        return f"http://{HOST}:{self.ports.panel}"

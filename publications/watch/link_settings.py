"""What is told of the tunnel: `PONTE_LINK_…`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from db.settings import PREFIX, PonteSettings


def _split_ports(given: object) -> object:
    return given.replace(",", " ").split() if isinstance(given, str) else given


class LinkEnd(StrEnum):
    """Which end of the tunnel this machine is."""

    INTRANET = "intranet"
    VPS = "vps"


Ports = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_split_ports)]


class LinkSettings(PonteSettings):
    """What `ponte preflight --link` is told of the tunnel, and `status` and `panel` of the tailnet.

    What is left out is as infra/tailscale has it.
    """

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}LINK_", env_ignore_empty=True)

    end: LinkEnd = LinkEnd.INTRANET
    peer: str = Field("", validate_default=True)
    """The other end's name or address."""
    peer_tag: str = Field("", validate_default=True)
    """What the tailnet must know it by."""
    http_port: int = Field(0, ge=0, le=65535, validate_default=True)
    """Where it answers HTTP: round trip and throughput are taken there."""
    open_ports: Ports = Field((), validate_default=True)
    """What must be let through."""
    shut_ports: Ports = Field((), validate_default=True)
    """What may not."""
    tailscale: str = "tailscale"
    """The command."""
    tailscale_socket: str = ""
    """Where it finds its service; empty is where it always is."""

    @field_validator("peer", "peer_tag", "http_port", "open_ports", "shut_ports")
    @classmethod
    def _take_policys(cls, given: object, info: ValidationInfo) -> object:
        return given or _OTHER_END[info.data.get("end", LinkEnd.INTRANET)][str(info.field_name)]


_OTHER_END: Mapping[LinkEnd, Mapping[str, object]] = {
    LinkEnd.INTRANET: {
        "peer": "ponte-vps",
        "peer_tag": "tag:vps",
        "http_port": 8081,
        "open_ports": (8081, 22),
        "shut_ports": (5432, 8080),
    },
    LinkEnd.VPS: {
        "peer": "intranet-sgp.internal",
        "peer_tag": "tag:intranet",
        "http_port": 8001,
        "open_ports": (5433, 8001),
        "shut_ports": (5432, 8000, 8090, 22, 445, 3389),
    },
}

"""What a shop is: asked once, written down without secrets, read again by whatever comes later."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyAddress,
    ValidationError,
    field_validator,
    model_validator,
)

from db.errors import SettingsError, begin_low, word
from publications.declare.declaration import IntakeKind, Transport
from publications.install.machine import Machine, PlainPath

FILE = "shop.toml"
HOMES = ("/home", "/root", "/run/user")
"""What ProtectHome hides from services."""
FLAGS = ("transport", "push_url")
"""What is told by whoever wants it otherwise than most, and not asked."""
QUESTIONS = ("kind", "sgp", "sgp_file", "media", "intranet", "vps", "public_url", "wheel", "storage")
"""What a shop is asked, in order; the rest is told in a file by who wants it otherwise."""
OF_KIND: Mapping[str, IntakeKind] = {"sgp": "postgresql", "sgp_file": "sqlite"}
"""Which are asked where SGP's data lies in one of the two alone. Both may stay told: the other one rests."""


class Shop(BaseModel):
    """The answers. What has no default has to be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: IntakeKind = Field("postgresql", description="what SGP's data lies in: postgresql or sqlite")
    sgp: str = Field(
        "",
        description="how an administrator reaches SGP's PostgreSQL, without the password, such as"
        " 'host=127.0.0.1 port=5432 dbname=sgp user=postgres'",
    )
    sgp_file: PlainPath | None = Field(None, description="SGP's SQLite file, such as /srv/sgp/sgp.db")
    media: PlainPath = Field(description="SGP's folder of photos (MEDIA_ROOT)")
    intranet: IPvAnyAddress | None = Field(
        None, description="this server's IP address in the tunnel, as the VPS sees it"
    )
    """Not told where rows are pushed: the VPS comes nowhere."""
    vps: IPvAnyAddress = Field(
        description="the VPS's IP address as this server sees it, in the tunnel if there is one"
    )
    public_url: str = Field(
        pattern=r"^https://[^\s/?#]+$",
        description="where phones reach the VPS, such as https://vitrine.loja.com.br",
    )
    wheel: PlainPath = Field(description="the file of Ponte's wheel, which goes to the VPS")
    storage: Literal["vps", "s3"] = Field("vps", description="where miniaturas lie: vps or s3")
    transport: Transport = Field("replication", description="how rows reach the VPS: replication or push")
    push_url: str = Field(
        "",
        pattern=r"^(https?://[^\s/?#]+)?$",
        description="with push: where its ingest is reached; else public_url, behind Caddy",
    )
    s3_bucket: str = ""
    s3_endpoint_url: str = Field("", pattern=r"^(https?://[^\s/?#]+)?$")
    s3_region: str = "us-east-1"
    s3_access_key_id: str = ""
    """Of the worker's key, which writes."""
    s3_reader_key_id: str = ""
    """Of the API's key, which reads."""
    bindir: PlainPath | None = None
    """PostgreSQL's programs for the vitrine, 18 or newer; else the wheel's, which know no TLS."""
    vps_bindir: PlainPath | None = None
    """The same on the VPS, 15 or newer."""
    listen: str = Field("*", pattern=r"^[0-9A-Fa-f.:,*]+$")
    """Where the vitrine's server listens: everywhere, for the tunnel's address may come after the server,
    which then would never listen on it. pg_hba.conf lets in the VPS alone."""
    vitrine_port: int = Field(5433, ge=1, le=65535)
    panel_host: str = "127.0.0.1"
    panel_port: int = Field(8090, ge=1, le=65535)
    ssh_port: int = Field(22, ge=1, le=65535)
    """The VPS's SSH, through which its database is reached."""
    tunnel_port: int = Field(5442, ge=1, le=65535)
    """Where that is on this server."""
    vps_port: int = Field(5433, ge=1, le=65535)
    api_port: int = Field(8080, ge=1, le=65535)
    ingest_port: int = Field(8081, ge=1, le=65535)
    machine: Machine = Machine()
    vps_machine: Machine = Machine()

    @field_validator("sgp")
    @classmethod
    def _check_sgp(cls, given: str) -> str:
        if not given:
            return given
        try:
            found = conninfo_to_dict(given)
        except ProgrammingError:
            raise ValueError("not a libpq connection string") from None
        if "password" in found:
            raise ValueError("a password does not belong there: it is asked for")
        if not {"host", "dbname", "user"} <= found.keys() or str(found["host"]).startswith("/"):
            raise ValueError("it has to name host, dbname and user, the host as an address")
        return given

    @field_validator("sgp_file", "media")
    @classmethod
    def _check_seen(cls, given: Path | None) -> Path | None:
        if given and any(given.is_relative_to(home) for home in HOMES):
            raise ValueError("services see nothing that lies in a home: mount it elsewhere, such as in /srv")
        return given

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if not (self.sgp_file if self.is_fed else self.sgp):
            raise ValueError(f"where SGP's data lies in {self.kind}, {self.source_name} has to be told")
        return self

    @model_validator(mode="after")
    def _check_transport(self) -> Self:
        if self.intranet is None and not self.is_pushed:
            raise ValueError("where rows are replicated, intranet has to be told")
        return self

    @model_validator(mode="after")
    def _check_storage(self) -> Self:
        needed = (self.s3_bucket, self.s3_endpoint_url, self.s3_access_key_id, self.s3_reader_key_id)
        if self.storage == "s3" and not all(needed):
            raise ValueError("s3 needs s3_bucket, s3_endpoint_url, s3_access_key_id and s3_reader_key_id")
        return self

    @property
    def is_fed(self) -> bool:
        """Tell whether SGP's data lies in a file, which the feeder reads."""
        return self.kind == "sqlite"

    @property
    def is_pushed(self) -> bool:
        """Tell whether the VPS comes to nothing here, and nobody here to its database."""
        return self.transport == "push"

    @property
    def is_behind_caddy(self) -> bool:
        """Tell whether the ingest is reached by the public name."""
        return self.is_pushed and not self.push_url

    @property
    def ingest_url(self) -> str:
        """Where this server reaches the VPS's ingest."""
        if self.is_pushed:
            return self.push_url or self.public_url
        host = f"[{self.vps}]" if self.vps.version == 6 else str(self.vps)  # noqa: PLR2004
        return f"http://{host}:{self.ingest_port}"

    @property
    def has_moved(self) -> bool:
        """Tell whether it was in a file before it was on a server."""
        return self.sgp_file is not None and not self.is_fed

    @property
    def source_name(self) -> str:
        """Name the answer that says where SGP's data lies."""
        return next(name for name, kind in OF_KIND.items() if kind == self.kind)

    @property
    def source(self) -> dict[str, str]:
        """How SGP's server is reached, by libpq's keywords, without a user."""
        found = {key: str(value) for key, value in conninfo_to_dict(self.sgp).items()}
        return {"port": "5432", **{key: value for key, value in found.items() if key != "user"}}

    @property
    def export_speaks_tls(self) -> bool:
        """Tell whether both ends do: a distribution's programs do, the wheel's leave it to the tunnel."""
        return self.vps_bindir is not None and self.bindir is not None and not self.is_pushed

    @property
    def site(self) -> str:
        """The public name, with its port if it has one."""
        return urlsplit(self.public_url).netloc

    def write(self) -> str:
        """Return it as TOML."""
        return "# What 'ponte init' was told. Change it and run 'ponte init' again.\n" + _to_toml(
            self.model_dump(mode="json", exclude_none=True)
        )


def _to_toml(table: Mapping[str, Any], name: str = "") -> str:
    """Write strings, numbers and tables; JSON's strings are TOML's."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    lines = [f"[{name}]"] * bool(name) + [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
    tables = [_to_toml(value, key) for key, value in table.items() if isinstance(value, dict)]
    return "\n".join([*lines, "", *tables])


def read_answers(path: Path) -> dict[str, Any]:
    """Return what a file of answers holds; of no file nothing. Raise SettingsError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {word(error)}", "run this command as root") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}", "mend the line that it names") from error


def make_shop(answers: Mapping[str, Any]) -> Shop:
    """Return the shop that the answers describe. Raise SettingsError naming what is missing or wrong."""
    try:
        return Shop.model_validate(answers)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'answers'}: {begin_low(fault['msg'])}"
            for fault in error.errors(include_url=False)
        )
        raise SettingsError(
            f"answers are missing or wrong: {wrong}",
            "give them as flags or in --answers FILE; see 'ponte init --help'",
        ) from None

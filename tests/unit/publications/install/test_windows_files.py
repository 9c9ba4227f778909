"""What `ponte init` writes for a Windows server, on any system: services find all that they read in it."""

from __future__ import annotations

import argparse
import re
from pathlib import Path, PureWindowsPath

import pytest

from db.errors import SettingsError
from publications.commands.windows import write_installation
from publications.declare.declaration import read_declaration
from publications.feeder.settings import FeederSettings
from publications.install.windows import WindowsServer, install, remove, service_settings, to_line
from publications.install.windows_script import to_script
from publications.settings import read_settings, read_watch_dsns
from thumbnail_worker.settings import WorkerSettings

pytestmark = pytest.mark.unit

FED = {"kind": "sqlite", "sgp": None, "sgp_file": r"D:\SGP\sgp.db"}
SERVED = {"kind": "postgresql", "sgp": "host=127.0.0.1 dbname=sgp user=postgres", "sgp_file": None}
PASSWORD = "senha-do-administrador"


def write(folder: Path, **told: object) -> Path:
    usual = {
        "media": r"D:\SGP\media da loja", "intranet": "100.64.0.5", "vps": "100.64.0.7", "folder": None,
        "dry_run": False,
    }  # fmt: skip
    assert write_installation(argparse.Namespace(**(FED | usual | told)), folder, password=PASSWORD) == 3
    return folder


def read_all(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes().decode() for path in files}


def put(path: Path, secret: str) -> None:
    path.write_text(secret)
    path.chmod(0o600)


@pytest.fixture(params=[FED, SERVED], ids=["a file", "a server"])
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write(tmp_path / "Ponte", **request.param)


def test_each_service_finds_its_secrets_where_its_settings_say(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declaration = read_declaration(installed / "sgp.toml")
    kind = declaration.intake.kind
    server = WindowsServer(kind, r"D:\media", "100.64.0.7", r"D:\SGP\sgp.db" if kind == "sqlite" else "")
    for name in server.services:
        told = service_settings(server, name)
        place = PureWindowsPath(told["PONTE_SECRETS_DIR"]).relative_to(server.home)
        folder = installed.joinpath(*place.parts)
        environ = told | {"PONTE_SECRETS_DIR": str(folder), "PONTE_WORKER_MEDIA_ROOT": str(installed)}
        environ |= {"PONTE_SGP_FILE": str(installed / "sgp.toml")} if server.sgp_file else {}
        if name == "PontePanel":
            put(folder / "ponte_watch_vps_dsn", "host=127.0.0.1 dbname=vps user=ponte_watch")
            assert set(read_watch_dsns(declaration, environ)) == set(declaration.watched)
        else:
            for variable, value in environ.items():
                monkeypatch.setenv(variable, value)
            settings = WorkerSettings.load() if name == "PonteWorker" else FeederSettings.load()
            assert "port=5433" in settings.vitrine_dsn.get_secret_value()


def test_whoever_administers_finds_every_password_and_way_but_the_one_to_the_vps(installed: Path) -> None:
    declaration = read_declaration(installed / "sgp.toml")
    secrets = installed / "secrets"
    assert not (secrets / "ponte_vps_dsn").exists()
    put(secrets / "ponte_vps_dsn", "host=127.0.0.1 dbname=vps user=postgres")
    environ = {"PONTE_SECRETS_DIR": str(secrets), "PONTE_SGP_FILE": str(installed / "sgp.toml")}
    settings = read_settings(declaration, environ)
    assert set(settings.dsns) == set(declaration.endpoints)
    assert {(role.on, role.name) for role in declaration.roles if role.on in declaration.endpoints} <= set(
        settings.passwords
    )


def test_a_second_run_changes_nothing(installed: Path) -> None:
    before = read_all(installed)
    declaration = read_declaration(installed / "sgp.toml")
    write(installed, **(FED if declaration.intake.is_fed else SERVED))
    assert read_all(installed) == before


def test_no_secret_stands_in_a_script(installed: Path) -> None:
    files = read_all(installed)
    secrets = {text.strip() for name, text in files.items() if name.startswith("secrets/")}
    assert len(secrets) > 10
    for name in ("install.cmd", "uninstall.cmd", "ponte.cmd", "sgp.toml", "pg_hba.conf"):
        assert [one for one in secrets if one in files[name]] == []
        assert PASSWORD not in files[name]


SERVER = WindowsServer("sqlite", r"D:\SGP\media", "100.64.0.7", r"D:\SGP\sgp.db")


def test_the_script_stops_where_a_command_fails() -> None:
    lines = to_script(SERVER, install(SERVER)).split("\r\n")
    for command in install(SERVER):
        if "%" not in to_line(command):
            [place] = [number for number, line in enumerate(lines) if line.endswith(to_line(command))][:1]
            assert lines[place + 1] == "if errorlevel 1 goto failed"
    assert lines[-4:-1] == [":failed", lines[-3], "exit /b 1"]


def test_what_is_done_is_not_done_again() -> None:
    script = to_script(SERVER, install(SERVER))
    words = r"^(.*?)(\S*(?:nssm install|initdb\.exe|createdb\.exe|net start|nssm start)) "
    once = re.findall(words, script, re.MULTILINE)
    assert len(once) == 3 + 1 + 1 + 1 + 3
    assert [found for guard, found in once if not guard.startswith(("sc query", "if not exist", "C:"))] == []
    assert script.index("ponte.exe apply") < script.index("nssm start")


def test_what_is_not_there_is_not_removed() -> None:
    script = to_script(SERVER, remove(SERVER), stops=False)
    assert re.findall(r"^(?:nssm|net) ", script, re.MULTILINE) == ["net "]
    assert "goto failed" not in script


@pytest.mark.parametrize("path", ["D:\\a&b", "D:\\100%", "D:\\a^b", 'D:\\a"b'])
def test_what_a_prompt_would_read_by_itself_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(SettingsError, match="a letter that a script"):
        write(tmp_path, media=path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_or_no_address_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="have to be told: media, vps\n"):
        write(tmp_path, media=None, vps=None)
    with pytest.raises(SettingsError, match="vps is no IP address: loja"):
        write(tmp_path, vps="loja")


def test_a_dry_run_shows_the_commands_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, dry_run=True)
    assert list(tmp_path.iterdir()) == []
    assert r"nssm install PonteWorker" in capsys.readouterr().out

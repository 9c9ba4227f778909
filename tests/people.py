"""People of a window who log in: what each may see, and a session that writes beside the API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bcrypt
import pytest

from db.credentials import seal
from db.engines import Connection
from tests.fix_api import (
    CREDENTIAL_KEY,
    Windows,
    write_session,
)


@pytest.fixture(scope="module")
def dsn(windows: Windows) -> Iterator[str]:
    with open_people(windows) as made:
        yield made


PASSWORD = "senha-da-ana"
SETORES = {"processes": "2", "money_setores": "financeiro, vendas", "phone_setores": "vendas"}


@contextmanager
def open_people(windows: Windows) -> Iterator[str]:
    """Have a window with people who may log in, and some who see less than others."""
    with windows.open(pedidos=20) as made:
        with write_session(made) as conn:
            conn.execute("UPDATE vitrine.pedidos SET telefone_cliente = '27 90000-0001', versao = 2")
            for user_id, setor in ((11, "financeiro"), (12, "costura"), (13, "vendas")):
                conn.execute(
                    "INSERT INTO vitrine.usuarios (id, username, setor, is_active, versao)"
                    " VALUES (%s, %s, %s, true, 1)",
                    [user_id, f"de.{setor}", setor],
                )
            for user_id in (1, 2, 3):
                sealed = seal(
                    bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode(), CREDENTIAL_KEY.encode()
                )
                conn.execute(
                    "INSERT INTO vitrine.credenciais (user_id, salt, digest, key_id, versao)"
                    " VALUES (%s, %s, %s, 'k1', 1)",
                    [user_id, sealed.salt, sealed.digest],
                )
        yield made


@contextmanager
def write_people(dsn: str) -> Iterator[Connection]:
    """Open a session that writes; what is known of attempts is forgotten after it."""
    with write_session(dsn) as conn:
        yield conn
        conn.execute("TRUNCATE auth.attempts, auth.known")

"""SGP as a writer of its SQLite file, in a process of its own: `python -m tests.sgp_writer FILE wal|delete`.

Reads commands, a JSON array a line: `["run", sql, parameters…]`, `["storm", seconds, writes per second]` or
`["end"]`; answers each with one line. Like SGP's own it waits five seconds for a lock.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS pedidos ( numero VARCHAR, data_entrada VARCHAR NOT NULL, data_entrega
  VARCHAR, observacao VARCHAR, prioridade VARCHAR(6) NOT NULL, status VARCHAR(50) NOT NULL, cliente
  VARCHAR NOT NULL, telefone_cliente VARCHAR, cidade_cliente VARCHAR, valor_total VARCHAR,
  valor_frete VARCHAR, valor_itens VARCHAR, tipo_pagamento VARCHAR, obs_pagamento VARCHAR,
  forma_envio VARCHAR, forma_envio_id INTEGER NOT NULL, financeiro BOOLEAN NOT NULL, conferencia
  BOOLEAN NOT NULL, sublimacao BOOLEAN NOT NULL, costura BOOLEAN NOT NULL, expedicao BOOLEAN NOT
  NULL, pronto BOOLEAN NOT NULL, sublimacao_maquina VARCHAR, sublimacao_data_impressao VARCHAR,
  financeiro_liberado_em DATETIME, id INTEGER NOT NULL, items VARCHAR, data_criacao DATETIME,
  ultima_atualizacao DATETIME, PRIMARY KEY (id));
CREATE TABLE IF NOT EXISTS pedido_imagens ( id INTEGER NOT NULL, pedido_id INTEGER NOT NULL,
  item_index INTEGER, item_identificador VARCHAR, filename VARCHAR NOT NULL, mime_type VARCHAR NOT
  NULL, path VARCHAR NOT NULL, tamanho INTEGER NOT NULL, criado_em DATETIME NOT NULL, PRIMARY KEY
  (id));
CREATE TABLE IF NOT EXISTS user ( id INTEGER NOT NULL, username VARCHAR NOT NULL, password_hash
  VARCHAR NOT NULL, password_plain VARCHAR(200), is_admin BOOLEAN NOT NULL, setor VARCHAR(50),
  is_active BOOLEAN NOT NULL, created_at VARCHAR, updated_at VARCHAR, PRIMARY KEY (id), UNIQUE
  (username));
CREATE TABLE IF NOT EXISTS revoked_tokens ( id INTEGER NOT NULL, token VARCHAR NOT NULL, expires_at
  VARCHAR NOT NULL, revoked_at VARCHAR NOT NULL, PRIMARY KEY (id), UNIQUE (token));
"""


class Writer:
    """One connection, as SGP's process has."""

    def __init__(self, path: Path, mode: str) -> None:
        self.wal = Path(f"{path}-wal")
        self.conn = sqlite3.connect(path, timeout=5.0, isolation_level=None)
        self.conn.execute(f"PRAGMA journal_mode = {mode}")
        self.conn.execute("PRAGMA synchronous = NORMAL")
        self.conn.executescript(SCHEMA)

    def run(self, statement: str, *parameters: Any) -> list[Any]:
        """Run one statement, each in a transaction of its own; several with parameters as a list of rows."""
        rows = [[_decode(value) for value in row] for row in parameters]
        if not rows:
            return [list(map(str, row)) for row in self.conn.execute(statement)]
        self.conn.execute("BEGIN IMMEDIATE")
        self.conn.executemany(statement, rows)
        self.conn.execute("COMMIT")
        return []

    def storm(self, seconds: float, rate: float) -> dict[str, Any]:
        """Change orders one by one so often; count what was refused and how large the log became."""
        [[highest]] = self.conn.execute("SELECT max(id) FROM pedidos").fetchall()
        began, done, busy, longest_ms, wal = time.monotonic(), 0, 0, 0.0, 0
        while (now := time.monotonic()) < began + seconds:
            if done >= (now - began) * rate:
                time.sleep(0.0005)
                continue
            try:
                self.conn.execute(
                    "UPDATE pedidos SET observacao = ? WHERE id = ?", [f"storm {done}", 1 + done % highest]
                )
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_BUSY":
                    raise
                busy += 1
            done += 1
            longest_ms = max(longest_ms, (time.monotonic() - now) * 1000)
            wal = max(wal, _size(self.wal))
        return {"writes": done, "busy": busy, "longest_ms": round(longest_ms, 1), "wal_bytes": wal}


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116  # asked after each write
    except FileNotFoundError:
        return 0


def _decode(value: Any) -> Any:
    """Bytes come as {"hex": …}."""
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value


def main() -> None:
    """Serve until told to end, or until whoever asks is gone."""
    writer = Writer(Path(sys.argv[1]), sys.argv[2])
    sys.stdout.write("[]\n")
    sys.stdout.flush()
    for line in sys.stdin:
        command, *rest = json.loads(line)
        if command == "end":
            break
        answer = writer.run(*rest) if command == "run" else writer.storm(*rest)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    writer.conn.close()


if __name__ == "__main__":
    main()

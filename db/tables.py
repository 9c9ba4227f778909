"""The window's tables by their names: who carries rows loads no definitions of columns for them."""

from __future__ import annotations

SCHEMA = "vitrine"
TABLES = ("pedidos", "imagens", "usuarios", "credenciais", "miniaturas", "heartbeat", "revogacoes")
KEYS = {"credenciais": "user_id", "miniaturas": "imagem_id", "revogacoes": "digest"}
"""The key column of the tables in which it is not `id`."""

RECEIVED_COLUMNS = frozenset({"cursor", "received_at"})
"""The columns that only the VPS has: the guard fills them in."""


def find_key(table: str) -> str:
    """Return the key's column of a table of the window."""
    return KEYS.get(table, "id")

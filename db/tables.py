"""What the window's and the landing tables are called; who carries rows loads no more of them."""

from __future__ import annotations

SCHEMA = "vitrine"
TABLES = ("pedidos", "imagens", "usuarios", "credenciais", "miniaturas", "heartbeat", "revogacoes")
KEYS = {"credenciais": "user_id", "miniaturas": "imagem_id", "revogacoes": "digest"}
"""The key column of the tables in which it is not `id`."""

RECEIVED_COLUMNS = frozenset({"cursor", "received_at"})
"""The columns that only the VPS has: the guard fills them in."""

CLEANING: dict[str, str] = {"public.pedidos": "projection.clean"}
"""What is called before a row lands, where not all that SGP sends of it may be kept."""
CLEANED_COLUMNS: dict[str, frozenset[str]] = {"public.pedidos": frozenset({"items"})}
"""Of what it does not keep all."""


def find_key(table: str) -> str:
    """Return the key's column of a table of the window."""
    return KEYS.get(table, "id")

"""Who sees what: amounts and telephone numbers, by setor. As delivered everybody sees everything.

What is hidden is a number of bits, so an answer has at most four forms; they are kept by form, not by user.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

ANY = "*"
NOTHING, MONEY, PHONE = 0, 1, 2
"""What is hidden."""

WITHOUT_MONEY: dict[str, Any] = {"valor_total": "0.00", "valor_frete": None, "valor_itens": None}
"""As the PWA shows an order whose amounts could not be read."""
WITHOUT_PHONE: dict[str, Any] = {"telefone_cliente": None}


@dataclass(frozen=True)
class VisibilityPolicy:
    """The setores that see amounts and telephone numbers."""

    money: frozenset[str]
    phone: frozenset[str]

    @classmethod
    def of(cls, *, money: Iterable[str] = (ANY,), phone: Iterable[str] = (ANY,)) -> VisibilityPolicy:
        """Build it from the settings' words."""
        return cls(frozenset(money), frozenset(phone))

    def find_hidden(self, setor: str, *, is_admin: bool) -> int:
        """Return what somebody does not see; an administrator sees everything."""
        if is_admin:
            return NOTHING
        money = NOTHING if _holds(self.money, setor) else MONEY
        return money | (NOTHING if _holds(self.phone, setor) else PHONE)

    @property
    def forms(self) -> int:
        """Return how many forms of an answer there may be, to share out memory."""
        return (1 if ANY in self.money else 2) * (1 if ANY in self.phone else 2)


def _holds(setores: frozenset[str], setor: str) -> bool:
    return ANY in setores or setor in setores


def hide(content: bytes, hidden: int) -> bytes:
    """Return an order's JSON without what is hidden."""
    if hidden == NOTHING:
        return content
    pedido = json.loads(content)
    if hidden & MONEY:
        pedido |= WITHOUT_MONEY
    if hidden & PHONE:
        pedido |= WITHOUT_PHONE
    return json.dumps(pedido, ensure_ascii=False, separators=(",", ":")).encode()

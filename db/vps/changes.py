"""Which order a row of the log of changes is about: said once for all who ask the log.

A miniatura is logged by its photo and joined to its order here: when it was written, its photo may have been
invisible. Where no photo is there, the order is NULL; where everything changed, `m.chave` is.
"""

from __future__ import annotations

from typing import LiteralString

LOG_OF_CHANGES: LiteralString = (
    "guard.mudancas m LEFT JOIN vitrine.imagens i ON m.tabela = 'miniaturas' AND i.id = m.chave"
)
ORDER_OF_CHANGE: LiteralString = "CASE WHEN m.tabela = 'miniaturas' THEN i.pedido_id ELSE m.chave END"

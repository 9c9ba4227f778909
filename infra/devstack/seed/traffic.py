"""What SGP's users do all day: change, insert and delete orders. The caller commits."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from .dirt import DIRT_FORMA_ENVIO_ID
from .items import Item, build_item
from .load import Connection, Row
from .moments import shop_day, stamp
from .orders import FLAGS, build_order, write_items
from .words import COMMENTS, MACHINES, NOTES, write_money

NEXT_STATUS = {"pendente": "em_producao", "em_producao": "pronto", "pronto": "entregue"}
ACTIONS = ("flag", "status", "item_edited", "item_added", "note", "money")
ACTION_WEIGHTS = (40, 20, 15, 5, 12, 8)
BUMPED = 0.85


def change_order(
    conn: Connection,
    pedido_id: int | None = None,
    *,
    rng: random.Random,
    now: datetime | None = None,
    observacao: str | None = None,
) -> int:
    """Update one order as SGP does, only the changed columns, and return its id.

    Picks a clean order if none is given. `observacao` is the new note, if there is to be one.
    `ultima_atualizacao` becomes `now` (default: the clock) six times in
    seven, as in SGP. Raises LookupError if there is no such order.
    """
    row = lock_order(conn, pick_clean_order(conn, rng) if pedido_id is None else pedido_id)
    found = int(row["id"])
    now = now or datetime.now(UTC)
    changes = choose_changes(rng, row, now=now)
    if rng.random() < BUMPED:
        changes["ultima_atualizacao"] = stamp(now)
    if observacao is not None:
        changes["observacao"] = observacao
    write_changes(conn, found, changes)
    return found


def insert_order(conn: Connection, *, rng: random.Random, now: datetime | None = None) -> int:
    """Insert a new clean order, created `now` (default: the clock), and return its id."""
    now = now or datetime.now(UTC)
    cursor = conn.execute("select nextval(pg_get_serial_sequence('public.pedidos', 'id'))")
    [[pedido_id]] = cursor.fetchall()
    row, _ = build_order(rng, pedido_id, created=now, now=now)
    statement = sql.SQL("insert into public.pedidos ({}) values ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(map(sql.Placeholder, row))
    )
    conn.execute(statement, row)
    return int(pedido_id)


def delete_order(conn: Connection, pedido_id: int) -> None:
    """Delete an order after its images and print logs, as SGP must: its foreign keys don't cascade."""
    conn.execute("delete from public.pedido_imagens where pedido_id = %s", [pedido_id])
    conn.execute("delete from public.print_logs where pedido_id = %s", [pedido_id])
    conn.execute("delete from public.pedidos where id = %s", [pedido_id])


def pick_clean_order(conn: Connection, rng: random.Random) -> int:
    """Pick a clean order: the first at or after a random id, else the first of all."""
    [[highest]] = conn.execute("select coalesce(max(id), 0) from public.pedidos").fetchall()
    for lowest in (rng.randint(0, highest), 0):
        found = conn.execute(
            "select id from public.pedidos where id >= %s and forma_envio_id <> %s order by id limit 1",
            [lowest, DIRT_FORMA_ENVIO_ID],
        ).fetchone()
        if found:
            return int(found[0])
    raise LookupError("no clean order to change")


def lock_order(conn: Connection, pedido_id: int) -> dict[str, Any]:
    """Read an order and keep others from changing it until the transaction's end."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute("select * from public.pedidos where id = %s for update", [pedido_id]).fetchone()
    if row is None:
        raise LookupError(f"no order has the id {pedido_id}")
    return row


def choose_changes(rng: random.Random, row: dict[str, Any], *, now: datetime) -> Row:
    """Choose new values for one to three columns of an order."""
    action = rng.choices(ACTIONS, ACTION_WEIGHTS)[0]
    items = read_items(row["items"])
    match action:
        case "status":
            status = NEXT_STATUS.get(row["status"], "pendente")
            return {"status": status, "pronto": status in {"pronto", "entregue"}}
        case "item_edited" if items:
            return {"items": write_items(edit_item(rng, items, now=now))}
        case "item_added" if items:
            added = build_item(rng, int(row["id"]), len(items), imagem_id=None)
            return {"items": write_items([*items, added])}
        case "note":
            return {"observacao": rng.choice([note for note in NOTES if note != row["observacao"]])}
        case "money":
            total = write_money(rng, rng.randint(2_000, 450_000))
            return {"valor_itens": total, "valor_total": total, "valor_frete": "0.00"}
        case _:
            return toggle_flag(rng, row, now=now)


def toggle_flag(rng: random.Random, row: dict[str, Any], *, now: datetime) -> Row:
    """Turn one of the sectors' flags, with what finance and sublimation note beside it."""
    flag = rng.choice(FLAGS[:-1])
    on = not row[flag]
    changes: Row = {flag: on}
    if flag == "financeiro":
        changes["financeiro_liberado_em"] = stamp(now) if on else None
    if flag == "sublimacao":
        changes["sublimacao_maquina"] = rng.choice(MACHINES) if on else None
        changes["sublimacao_data_impressao"] = shop_day(now) if on else None
    return changes


def edit_item(rng: random.Random, items: list[Item], *, now: datetime) -> list[Item]:
    """Return the items with one of them commented and its art released."""
    index = rng.randrange(len(items))
    old = items[index].get("comentarios")
    comment = {"id": rng.getrandbits(40), "autor": "Íris", "texto": rng.choice(COMMENTS), "data": stamp(now)}
    comments = [*(old if isinstance(old, list) else []), comment]
    return [
        *items[:index],
        items[index] | {"status_arte": "liberado", "comentarios": comments},
        *items[index + 1 :],
    ]


def read_items(text: str | None) -> list[Item] | None:
    """Read an order's items, or nothing if they are not a list of objects, which no form can edit."""
    try:
        items = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return None
    return items


def write_changes(conn: Connection, pedido_id: int, changes: Row) -> None:
    """Update these columns of one order."""
    assignments = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(column)) for column in changes
    )
    statement = sql.SQL("update public.pedidos set {} where id = %(pedido_id)s").format(assignments)
    conn.execute(statement, {**changes, "pedido_id": pedido_id})

"""The same two endpoints as anybody would write them: FastAPI, SQLAlchemy, Pydantic, nothing kept.

`python -m tests.benchmarks.peers.plain DSN PORT`; run by the benchmarks, under the same server and loop.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any

import jwt
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncEngine

from db.alchemy import async_engine
from db.vps.models import window
from tests.fix_api import TOKEN_KEY
from vps_readapi.pedidos.match_photos import OrderPhoto
from vps_readapi.pedidos.rendering import render_pedido
from vps_readapi.pictures.links import MediaLinks
from vps_readapi.schemas import PedidoJson

pedidos, imagens, miniaturas = (window[name] for name in ("pedidos", "imagens", "miniaturas"))
usuarios = window["usuarios"]
links = MediaLinks("http://127.0.0.1", b"m" * 40, None)


def make_app(engine: AsyncEngine) -> FastAPI:
    """Return the application."""
    app = FastAPI()

    async def fetch(statement: Any) -> Sequence[Row[Any]]:
        async with engine.connect() as connection:
            return (await connection.execute(statement)).all()

    async def check(authorization: Annotated[str, Header()]) -> None:
        claims = jwt.decode(authorization.removeprefix("Bearer "), TOKEN_KEY, algorithms=["HS256"])
        rows = await fetch(select(usuarios.c.is_active).where(usuarios.c.id == claims["user_id"]))
        if not rows or not rows[0].is_active:
            raise HTTPException(401)

    async def render(rows: Sequence[Row[Any]]) -> list[PedidoJson]:
        photos: defaultdict[int, list[OrderPhoto]] = defaultdict(list)
        for one in await fetch(
            select(imagens, miniaturas.c.chave)
            .outerjoin(miniaturas, miniaturas.c.imagem_id == imagens.c.id)
            .where(imagens.c.pedido_id.in_([row.id for row in rows]))
        ):
            photos[one.pedido_id].append(
                OrderPhoto(one.id, one.item_index, one.item_identificador, one.chave)
            )
        found = (render_pedido(row._asdict(), photos[row.id], links.link) for row in rows)
        return [one for one in found if one is not None]

    @app.get("/pedidos/", dependencies=[Depends(check)])
    async def read_list() -> list[PedidoJson]:
        newest = pedidos.c.data_criacao.desc().nulls_last(), pedidos.c.id.desc()
        return await render(await fetch(select(pedidos).order_by(*newest)))

    @app.get("/pedidos/{pedido_id}", dependencies=[Depends(check)])
    async def read_one(pedido_id: int) -> PedidoJson:
        found = await render(await fetch(select(pedidos).where(pedidos.c.id == pedido_id)))
        if not found:
            raise HTTPException(404)
        return found[0]

    return app


if __name__ == "__main__":
    engine = async_engine(sys.argv[1], pool_size=10, application="plain")
    uvicorn.run(make_app(engine), port=int(sys.argv[2]), access_log=False, log_level="warning")

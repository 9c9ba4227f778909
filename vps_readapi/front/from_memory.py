"""The thin layer in front of the application: what memory can answer does not reach it."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from vps_readapi.errors import ProblemError, render_error
from vps_readapi.front.answer import is_unchanged
from vps_readapi.front.once import READ, is_confirmed
from vps_readapi.memory.bodies import Body
from vps_readapi.memory.memory import Memory
from vps_readapi.memory.wanted import LIST, Wanted

MISSING = "Pedido não encontrado"


class MemoryLayer:
    """Answer authenticated reads of one order and of the whole list; hand on everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            wanted, body = await _find(scope) if scope["type"] == "http" else (None, None)
        except Exception as error:  # noqa: BLE001  # logged and answered
            answer = render_error(error)
        else:
            if wanted is None or body is None:
                await self._app(scope, receive, send)
            else:
                await self._answer(wanted, body, scope, receive, send)
            return
        await answer(scope, receive, send)

    async def _answer(self, wanted: Wanted, body: Body, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; a whole list in its user's turn."""
        if wanted.target != LIST or not body.is_large or is_unchanged(wanted, body):
            await _answer(wanted, body, send)
            return
        try:
            async with scope["state"]["turns"].hold(wanted.token.claims.user_id):
                await _answer(wanted, body, send)
        except ProblemError as error:
            await render_error(error)(scope, receive, send)


async def _find(scope: Scope) -> tuple[Wanted | None, Body | None]:
    """Return what is asked and what answers it.

    Raise ProblemError: 404 if there is no such order, 429 if he asks the database too often.
    """
    state = scope.get("state", {})
    memory = state.get("memory")
    if not isinstance(memory, Memory) or scope["query_string"]:
        return None, None
    wanted = state["requests"].read(
        method=scope["method"].encode(), target=scope["path"].encode(), fields=scope["headers"]
    )
    person = memory.admit(wanted) if wanted is not None and await is_confirmed(state, memory) else None
    if wanted is None or person is None:
        return None, None
    read = state.get(READ)
    if read is None and memory.recall(wanted, person.hidden) is None:
        state["limits"].count(state, wanted.token.claims.user_id)
    body = await (read.done if read else memory.read(wanted, person.hidden))
    if body is None and wanted.target != LIST:
        raise ProblemError(404, MISSING)
    return wanted, body


async def _answer(wanted: Wanted, body: Body, send: Send) -> None:
    if is_unchanged(wanted, body):
        await send({"type": "http.response.start", "status": 304, "headers": body.shared_fields()})
        await send({"type": "http.response.body"})
        return
    coding = body.choose(wanted.coding)
    content = body.encode(coding)
    fields = body.fields(coding, len(content))
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": content, "more_body": True})
    await send({"type": "http.response.body"})  # waits until most of it has been taken

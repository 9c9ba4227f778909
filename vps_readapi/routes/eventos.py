"""`/eventos`: what changes, while it changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from vps_readapi.errors import PROBLEMS, RETRY_AFTER, ProblemError
from vps_readapi.events import FullError, UserFullError
from vps_readapi.routes.session import BEARER, Session
from vps_readapi.services import Used

SEND_TIMEOUT_S = 30.0
"""How long a client may leave its connection full before it is given up; it resumes where it was."""
FULL = "Muitos dispositivos conectados; tente de novo em instantes"
USER_FULL = "Este usuário já está conectado em muitos dispositivos; feche um deles e tente de novo"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

router = APIRouter(responses=PROBLEMS, dependencies=[Depends(BEARER)])


class EventResponse(StreamingResponse):
    """A stream that gives up a client that does not read; `leave` is called when it has ended, however."""

    media_type = "text/event-stream"

    def __init__(
        self,
        frames: AsyncIterable[bytes] | Iterable[bytes],
        status_code: int = 200,  # the description takes it from here
        *,
        leave: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(frames, status_code, headers=HEADERS)
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream."""

        async def send_in_time(message: Message) -> None:
            if (
                message["type"] == "http.response.body"
                and not message.get("body")
                and message.get("more_body")
            ):
                return
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await send(message)

        try:
            await super().__call__(scope, receive, send_in_time)
        except* TimeoutError:  # the server closes a connection whose answer was left unfinished
            pass
        finally:
            if self._leave is not None:
                self._leave()


@router.get("/eventos", response_class=EventResponse)
async def follow_events(
    request: Request,
    session: Session,
    services: Used,
    last_event_id: Annotated[str, Header(max_length=64)] = "",
) -> EventResponse:
    """Stream `pedidos` (ids that changed and vanished), `recomece` (read the list again) and `pulso`.

    Each event's id is a cursor, for `Last-Event-ID` and for `desde` alike.
    """
    if getattr(request.state, "is_head", False):
        return EventResponse(())
    events = services.events
    try:
        stream = events.join(session.token, since=last_event_id)
    except UserFullError:
        raise ProblemError(429, USER_FULL, RETRY_AFTER) from None
    except FullError:
        raise ProblemError(503, FULL, RETRY_AFTER) from None
    return EventResponse(events.follow(stream), leave=partial(events.leave, stream))

"""`/eventos`: what changes, while it changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from vps_readapi.auth.session import BEARER, Session
from vps_readapi.context import Used
from vps_readapi.errors import PROBLEMS, RETRY_AFTER, ProblemError

SEND_TIMEOUT_S = 30.0
"""How long a client may leave its connection full before it is given up; it resumes where it was."""
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

router = APIRouter(responses=PROBLEMS, dependencies=[Depends(BEARER)])


class EventResponse(StreamingResponse):
    """A stream that gives up a client that does not read."""

    media_type = "text/event-stream"

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
    if services.events.is_full:
        raise ProblemError(503, "Muitos dispositivos conectados; tente de novo em instantes", RETRY_AFTER)
    if getattr(request.state, "is_head", False):
        return EventResponse((), headers=HEADERS)
    frames: AsyncIterator[bytes] = services.events.follow(session.token, since=last_event_id)
    return EventResponse(frames, headers=HEADERS)

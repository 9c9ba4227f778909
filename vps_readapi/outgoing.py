"""What the client with which the API asks SGP raises when no answer comes."""

from __future__ import annotations


def find_faults() -> tuple[type[Exception], ...]:
    """Return them; what is asked without a wait for SGP imports no client.

    AttributeError: a connection that is broken as it is made has no socket left, which anyio describes.
    """
    import httpx  # noqa: PLC0415

    return (httpx.HTTPError, httpx.InvalidURL, AttributeError)

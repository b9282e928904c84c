"""Batches to a backend over HTTP: what its answers mean for the batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx

from flotilla_mixer.kit.counters import TIMEOUT, UNREACHABLE
from flotilla_mixer.kit.sending import SendError

# RFC 9110 and 6585: what may pass by itself.
BUSY = frozenset((408, 425, 429, 500, 502, 503, 504))
REFUSED, OVERLOADED = "refused", "busy"
TEXT_SHOWN = 200  # characters of an answer that refuses


def is_busy(status: int) -> bool:
    return status in BUSY


async def post(
    client: httpx.AsyncClient,
    url: str,
    content: bytes | str,
    headers: Mapping[str, str] | None = None,
    *,
    retried: Callable[[int], bool] = is_busy,
    wait_header: str = "retry-after",
) -> httpx.Response:
    """Send, and give an answer of 2xx. Raises SendError: to be tried again if the backend is away, slow or busy (with the
    time that it asks for in `wait_header`), and not if it refuses. `retried` says of a status whether it is worth
    another try, where the backend's protocol has rules of its own.
    """
    try:
        answer = await client.post(url, content=content, headers=dict(headers or {}))
    except httpx.TimeoutException as error:
        raise SendError(f"{_place(url)} did not answer in time", cause=TIMEOUT, retry=True) from error
    except httpx.TransportError as error:
        said = str(error) or type(error).__name__
        raise SendError(f"{_place(url)} cannot be reached: {said}", cause=UNREACHABLE, retry=True) from error
    if answer.is_success:
        return answer
    said = f"{_place(url)} answered {answer.status_code}: {answer.text[:TEXT_SHOWN]!r}"
    if retried(answer.status_code):
        raise SendError(said, cause=OVERLOADED, retry=True, after=_wait(answer, wait_header))
    raise SendError(said, cause=REFUSED)


def _place(url: str) -> str:
    """Without what may be secret: user, path and query."""
    found = httpx.URL(url)
    return f"{found.scheme}://{found.netloc.decode().rpartition('@')[2]}"


def _wait(answer: httpx.Response, header: str) -> float | None:
    found = _seconds(answer.headers.get(header, ""))
    return _seconds(answer.headers.get("retry-after", "")) if found is None else found


def _seconds(text: str) -> float | None:
    """Of a Retry-After in seconds; dates are not worth their clocks."""
    return float(text) if text.isascii() and text.isdigit() else None

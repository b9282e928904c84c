"""One batch to a backend: tried, and tried again where that may help.

Exceptions of a `send`:

    SendError            the adapter says what was wrong and whether to try again
    TimeoutError         tried again, cause `timeout`
    OSError              tried again, cause `unreachable`
    any other            not tried again, cause `fault`: a mistake of the adapter
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from flotilla_mixer.kit.complaints import Complaints
from flotilla_mixer.kit.counters import FAULT, TIMEOUT, UNREACHABLE, HandlerCounter
from flotilla_mixer.kit.frames import let_go
from flotilla_shared.runtime.backoff import Backoff

Item = TypeVar("Item")
Send = Callable[[Sequence[Item]], Awaitable[None]]
# How many entries items are, when the backend has taken them (no cause) or they are given up for a cause. Asked once.
Settle = Callable[[Sequence[Item], str | None], int]


class SendError(Exception):
    """A batch was not taken, or a part of it was not.

    `cause` is one word, a label of metrics. `retry` says whether the same may be taken later; `after` how many seconds
    the backend asks to wait before. Of a batch that was taken in part, `left` is what this is about, and `refused` what
    the backend will never take, by causes of its own: that is dropped, and all other entries count as sent.
    """

    def __init__(
        self,
        text: str,
        *,
        cause: str,
        retry: bool = False,
        after: float | None = None,
        left: Sequence[Any] | None = None,
        refused: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        super().__init__(text)
        self.cause = cause
        self.retry = retry
        self.after = after
        self.refused = refused or {}
        self.left = () if left is None and refused else left


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """Seconds: of one try, of a batch with all its tries, and of the waits between them, which grow from `first` to `longest`."""

    send_seconds: float = 10.0
    batch_seconds: float = 60.0
    first: float = 0.1
    longest: float = 5.0


def one_each(items: Sequence[Any], _: str | None) -> int:
    """The Settle of items that are an entry each."""
    return len(items)


class Sender(Generic[Item]):
    """Sends one batch after the other. `in_hand` is what it has of the present one: not sent and not dropped yet. `settle`
    hears of each item once, when it is either.
    """

    def __init__(
        self,
        send: Send[Item],
        settings: RetrySettings,
        counter: HandlerCounter,
        complaints: Complaints,
        settle: Settle[Item] = one_each,
    ) -> None:
        self.in_hand: Sequence[Item] = ()
        self._send = send
        self._settings = settings
        self._counter = counter
        self._complaints = complaints
        self._settle = settle

    async def deliver(self, batch: Sequence[Item]) -> None:
        """Send it, or drop what cannot be sent; either is counted. Raises nothing but CancelledError."""
        self.in_hand = batch
        backoff = Backoff(self._settings.first, self._settings.longest)
        now = asyncio.get_running_loop().time
        until = now() + self._settings.batch_seconds
        while (error := await self._try()) is not None:
            self._keep(error)
            if not self.in_hand:
                return
            wait = max(backoff.next(), error.after or 0.0)
            if not error.retry or now() + wait > until:
                self._drop(error.cause)
                return
            self._counter.retried(error.cause)
            await asyncio.sleep(wait)
        self._counter.sent(self._settle(self.in_hand, None))
        self.in_hand = ()
        self._complaints.over("the backend takes entries again")

    async def _try(self) -> SendError | None:
        """One try: what was wrong with it, which is told."""
        try:
            async with asyncio.timeout(self._settings.send_seconds):
                await self._send(self.in_hand)
        except Exception as error:  # noqa: BLE001  # whatever an adapter raises, its handler goes on
            found = _as_send_error(error)
            let_go(error)
            self._complaints.say(found.cause, "a batch was not taken", error=str(found), entries=len(self.in_hand))
            return found
        return None

    def _keep(self, error: SendError) -> None:
        if error.left is None:
            return
        taken = _without(self.in_hand, error.left)
        for cause, items in error.refused.items():
            taken = _without(taken, items)
            self._counter.given_up(cause, self._settle(items, cause))
        self._counter.sent(self._settle(taken, None))
        self.in_hand = error.left

    def _drop(self, cause: str) -> None:
        self._counter.given_up(cause, self._settle(self.in_hand, cause))
        self.in_hand = ()


def _without(items: Sequence[Item], others: Sequence[Item]) -> list[Item]:
    """The items that are not among the others; equal ones may be there more than once."""
    kept = Counter(map(_key, others))
    gone = []
    for item in items:
        if kept[_key(item)]:
            kept[_key(item)] -= 1
        else:
            gone.append(item)
    return gone


def _key(item: object) -> object:
    """What is equal to it is the same; of what has no hash, it alone is."""
    try:
        hash(item)
    except TypeError:
        return id(item)
    return item


def _as_send_error(error: Exception) -> SendError:
    said = str(error) or type(error).__name__
    if isinstance(error, SendError):
        return error
    if isinstance(error, TimeoutError):
        return SendError(str(error) or "no answer in time", cause=TIMEOUT, retry=True)
    if isinstance(error, OSError):
        return SendError(said, cause=UNREACHABLE, retry=True)
    return SendError(f"{type(error).__name__}: {said}", cause=FAULT)

"""Several requests for one batch: what was taken, refused or left is told of each entry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from flotilla_mixer.kit.sending import SendError


class Request(Protocol):
    """A part of a batch that is sent by one call."""

    @property
    def items(self) -> Sequence[Any]: ...


# Makes one call, and gives what the backend refused of it, by cause. Raises SendError.
Call = Callable[[Any], Awaitable[Mapping[str, Sequence[Any]]]]


async def send_in_order(requests: Iterable[Request], call: Call) -> None:
    """One after the other. Raises SendError: from the first that may be taken later on all is left; what is refused for
    good is given by cause, and what comes after it is sent.
    """
    left, refused = list(requests), dict[str, list[Any]]()
    said, first = "", ""
    while left:
        try:
            found: Mapping[str, Sequence[Any]] = await call(left[0])
        except SendError as error:
            if error.retry:
                rest = [item for request in left for item in request.items]
                raise SendError(
                    str(error), cause=error.cause, retry=True, after=error.after, left=rest, refused=refused
                ) from error
            found, said, first = {error.cause: left[0].items}, said or str(error), first or error.cause
        for cause, items in found.items():
            refused.setdefault(cause, []).extend(items)
        left.pop(0)
    if refused:
        cause = first or next(iter(refused))
        text = said or f"events were refused, each by its cause: {', '.join(sorted(refused))}"
        raise SendError(text, cause=cause, left=(), refused=refused)

"""A line for each refusal, but a bounded number of them: strangers decide how many there are."""

from __future__ import annotations

import time
from collections.abc import Callable

from flotilla_citadel.errors import RequestRefused
from flotilla_shared.runtime.line_limit import LineLimit
from flotilla_shared.runtime.logs import get_logger

_log = get_logger(__name__)


class RefusalLog:
    """Logs refusals; those beyond the limit of a second are counted in the next line (`not_logged`)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = LineLimit(clock=clock)

    def refused(self, refused: RequestRefused, peer: str, identity: str | None) -> None:
        """`peer` is the address, `identity` what its certificate says, verified or not."""
        not_logged = self._limit.take()
        if not_logged is None:
            return
        _log.warning(
            "certificate request refused",
            reason=refused.reason,
            text=refused.text,
            detail=refused.detail,
            peer=peer,
            peer_identity=identity,
            not_logged=not_logged,
        )

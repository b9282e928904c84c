"""From what handlers granted to the RateLimitResponse that Envoy acts on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from envoy.service.ratelimit.v3.rls_pb2 import RateLimitResponse

from flotilla_mixer.kit.results import NO_OPINION, QuotaResult, Room

WITHIN, OVER_LIMIT = RateLimitResponse.OK, RateLimitResponse.OVER_LIMIT
LARGEST = 2**32 - 1
_Limit = RateLimitResponse.RateLimit
# Windows that have a name in the protocol; others have none, and Envoy leaves `w=` out.
UNITS: Mapping[float, Any] = {1: _Limit.SECOND, 60: _Limit.MINUTE, 3600: _Limit.HOUR, 86_400: _Limit.DAY}
UNANSWERED = (13, 14)


class Asked:
    """One descriptor: what it uses, and what came of it."""

    __slots__ = ("hits", "result")

    def __init__(self, hits: int, result: QuotaResult = NO_OPINION) -> None:
        self.hits = hits
        self.result = result


def is_over(asked: Asked) -> bool:
    """Whether less was granted than is used. Who only looks is over where nothing is left."""
    result = asked.result
    if result.code in UNANSWERED:
        return False
    if not asked.hits:
        return result.room is not None and not result.room.left
    return result.amount < asked.hits


def response_of(domain: str, asked: Sequence[Asked]) -> RateLimitResponse:
    """A status for each descriptor, in order. What is over says when it is worth another try, and reads as a Check that
    quotas refuse.
    """
    response = RateLimitResponse(overall_code=WITHIN)
    later = 0.0
    for each in asked:
        over = is_over(each)
        status = response.statuses.add(code=OVER_LIMIT if over else WITHIN)
        _put_room(status, domain, each.result.room)
        if over:
            response.overall_code = OVER_LIMIT
            later = max(later, each.result.room.resets if each.result.room is not None else 0.0)
    if response.overall_code == OVER_LIMIT:
        response.raw_body = f"RESOURCE_EXHAUSTED:Quota is exhausted for: {domain}".encode()
        response.response_headers_to_add.add(key="content-type", value="text/plain")
        if later:
            response.response_headers_to_add.add(key="retry-after", value=str(math.ceil(later)))
    return response


def _put_room(status: Any, domain: str, room: Room | None) -> None:
    if room is None:
        return
    status.limit_remaining = min(room.left, LARGEST)
    limit = status.current_limit
    limit.name, limit.requests_per_unit = domain, min(room.limit, LARGEST)
    limit.unit = UNITS.get(room.window, _Limit.UNKNOWN)
    status.duration_until_reset.FromNanoseconds(round(room.resets * 1_000_000) * 1000)

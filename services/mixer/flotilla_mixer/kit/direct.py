"""The response that a denial may carry for callers over HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flotilla_mixer.kit.results import DirectResponse
from flotilla_protos.istio.policy.v1beta1.http_response_pb2 import DirectHttpResponse


def direct_response(details: Iterable[Any]) -> DirectResponse | None:
    """The first DirectHttpResponse among the details of a status, if there is one."""
    for each in details:
        found = DirectHttpResponse()
        if each.Unpack(found):
            return DirectResponse(found.code, found.body, tuple(sorted(found.headers.items())))
    return None

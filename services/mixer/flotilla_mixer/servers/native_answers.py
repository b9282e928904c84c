"""Decisions as the native API has them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from google.rpc.code_pb2 import Code

from flotilla_mixer.attributes.dictionary import Dictionary
from flotilla_mixer.attributes.referenced import referenced
from flotilla_mixer.attributes.request import Asked
from flotilla_mixer.kit.results import UNOPPOSED, CheckResult, DirectResponse, HeaderOperation, QuotaResult
from flotilla_mixer.servers.answers import HTTP_CODES
from flotilla_protos.istio.mixer.v1 import mixer_pb2

REMEMBERED = 4096
NANOSECONDS = 1_000_000_000
# Mixer's own map for direct responses, which is not the proxies' (mixer.md 7.2): CANCELLED is 408 and
# FAILED_PRECONDITION 412.
DIRECT_CODES = {**HTTP_CODES, Code.CANCELLED: 408, Code.FAILED_PRECONDITION: 412}


def check_bytes(result: CheckResult, asked: Asked, known: Dictionary, count: int) -> bytes:
    """A CheckResponse without quotas. Equal decisions that rest on the same attributes are the same bytes."""
    found = frozenset(asked.items())
    if result is not UNOPPOSED:
        return _check_bytes(result, found, known, count)
    answer = _unopposed.get((found, count))
    if answer is None:
        if len(_unopposed) >= REMEMBERED:
            _unopposed.clear()
        answer = _unopposed[found, count] = _check_bytes(result, found, known, count)
    return answer


# Of the decision that nearly every Check ends with, whose hash need not be worked out.
_unopposed: dict[tuple[frozenset[tuple[tuple[str, str], bool]], int], bytes] = {}


@lru_cache(maxsize=REMEMBERED)
def _check_bytes(
    result: CheckResult, asked: frozenset[tuple[tuple[str, str], bool]], known: Dictionary, count: int
) -> bytes:
    response = mixer_pb2.CheckResponse()
    found = response.precondition
    found.status.code, found.status.message = result.code, result.message
    found.valid_duration.FromNanoseconds(round(result.valid_seconds * NANOSECONDS))
    found.valid_use_count = result.valid_uses
    referenced(asked, known, count, found.referenced_attributes)
    if result.direct is not None and not result.ok:
        _direct(result.code, result.direct, found.route_directive)
    _operations(result.directive.request, found.route_directive.request_header_operations)
    _operations(result.directive.response, found.route_directive.response_header_operations)
    return bytes(response.SerializeToString())


def _direct(code: int, direct: DirectResponse, into: Any) -> None:
    """The response that a proxy is to give; cookies add up, other headers replace."""
    into.direct_response_code = direct.code or DIRECT_CODES.get(code, 500)
    into.direct_response_body = direct.body
    for name, value in direct.header_lines():
        kind = mixer_pb2.HeaderOperation.APPEND if name.lower() == "set-cookie" else mixer_pb2.HeaderOperation.REPLACE
        into.response_header_operations.add(name=name, value=value, operation=kind)


def _operations(operations: Iterable[HeaderOperation], into: Any) -> None:
    for each in operations:
        into.add(name=each.name, value=each.value, operation=mixer_pb2.HeaderOperation.Operation.Value(each.operation))


def quota_result(
    result: QuotaResult, asked: Asked, known: Dictionary, count: int
) -> mixer_pb2.CheckResponse.QuotaResult:
    found = mixer_pb2.CheckResponse.QuotaResult(granted_amount=result.amount)
    found.valid_duration.FromNanoseconds(round(result.valid_seconds * NANOSECONDS))
    found.status.code, found.status.message = result.code, result.message
    referenced(asked.items(), known, count, found.referenced_attributes)
    return found

"""Decisions as the native API has them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from flotilla_mixer.attributes.dictionary import Dictionary
from flotilla_mixer.attributes.referenced import referenced
from flotilla_mixer.attributes.request import Asked
from flotilla_mixer.kit.results import CheckResult, HeaderOperation, QuotaResult
from flotilla_protos.istio.mixer.v1 import mixer_pb2

NANOSECONDS = 1_000_000_000


def check_bytes(result: CheckResult, asked: Asked, known: Dictionary, count: int) -> bytes:
    """A CheckResponse without quotas. Equal decisions that rest on the same attributes are the same bytes."""
    return _check_bytes(result, frozenset(asked.items()), known, count)


@lru_cache(maxsize=4096)
def _check_bytes(
    result: CheckResult, asked: frozenset[tuple[tuple[str, str], bool]], known: Dictionary, count: int
) -> bytes:
    response = mixer_pb2.CheckResponse()
    found = response.precondition
    found.status.code, found.status.message = result.code, result.message
    found.valid_duration.FromNanoseconds(round(result.valid_seconds * NANOSECONDS))
    found.valid_use_count = result.valid_uses
    referenced(asked, known, count, found.referenced_attributes)
    _operations(result.directive.request, found.route_directive.request_header_operations)
    _operations(result.directive.response, found.route_directive.response_header_operations)
    return bytes(response.SerializeToString())


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

"""Per-route configuration of the fault and cors filters."""

from math import isnan
from typing import Any

from envoy.config.core.v3.base_pb2 import RuntimeFractionalPercent
from envoy.extensions.filters.common.fault.v3.fault_pb2 import FaultDelay
from envoy.extensions.filters.http.cors.v3.cors_pb2 import CorsPolicy as EnvoyCors
from envoy.extensions.filters.http.fault.v3.fault_pb2 import FaultAbort, HTTPFault
from envoy.type.matcher.v3.regex_pb2 import RegexMatcher
from envoy.type.matcher.v3.string_pb2 import StringMatcher
from envoy.type.v3.percent_pb2 import FractionalPercent
from google.protobuf.duration_pb2 import Duration
from google.protobuf.wrappers_pb2 import BoolValue

from flotilla_pilot.compile.regex import regex_fault
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import (
    CorsPolicy,
    HTTPFaultInjection,
    Percent,
    StringMatch,
)

FAULT = "envoy.filters.http.fault"
CORS = "envoy.filters.http.cors"

_GRPC_NAMES = (
    "OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS, "
    "PERMISSION_DENIED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, "
    "UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS, UNAUTHENTICATED"
)
_GRPC_CODES = {name: number for number, name in enumerate(_GRPC_NAMES.split(", "))}


def percent(stated: Percent | None, default: int) -> FractionalPercent:
    """In millionths; `default`, in hundredths, where no percentage is stated. Never above the whole."""
    if stated is None or isnan(stated.value):
        return FractionalPercent(numerator=min(max(default, 0), 100), denominator=FractionalPercent.HUNDRED)
    millionths = round(min(max(stated.value, 0), 100) * 10_000)
    return FractionalPercent(numerator=millionths, denominator=FractionalPercent.MILLION)


def fraction(stated: Percent | None, default: int) -> RuntimeFractionalPercent:
    return RuntimeFractionalPercent(default_value=percent(stated, default))


def fault(settings: HTTPFaultInjection) -> HTTPFault | None:
    """Delays and aborts; without a percentage nothing is delayed or aborted, as Istio has it."""
    answer = HTTPFault()
    delay, abort = settings.delay, settings.abort
    if delay.HasField("fixed_delay") and _is_positive(delay.fixed_delay):
        share = percent(_stated(delay), delay.percent)
        answer.delay.CopyFrom(FaultDelay(fixed_delay=delay.fixed_delay, percentage=share))
    code = _abort_code(abort)
    if code:
        answer.abort.CopyFrom(FaultAbort(percentage=percent(_stated(abort), abort.percent), **code))
    return answer if answer.ListFields() else None


def _stated(part: Any) -> Percent | None:
    return part.percentage if part.HasField("percentage") else None


def _abort_code(abort: HTTPFaultInjection.Abort) -> dict[str, int]:
    """Envoy takes a status from 200 to 599 only, and gRPC codes by number."""
    kind = abort.WhichOneof("error_type")
    if kind == "http_status" and 200 <= abort.http_status < 600:
        return {"http_status": abort.http_status}
    if kind == "grpc_status" and abort.grpc_status in _GRPC_CODES:
        return {"grpc_status": _GRPC_CODES[abort.grpc_status]}
    return {}


def _is_positive(duration: Duration) -> bool:
    return duration.seconds > 0 or (duration.seconds == 0 and duration.nanos > 0)


def cors(settings: CorsPolicy) -> EnvoyCors:
    """The cors policy of a route; origins whose regular expression Envoy would refuse are left out."""
    answer = EnvoyCors(
        allow_origin_string_match=_origins(settings),
        allow_methods=",".join(settings.allow_methods),
        allow_headers=",".join(settings.allow_headers),
        expose_headers=",".join(settings.expose_headers),
        filter_enabled=fraction(None, 100),
    )
    if settings.HasField("max_age"):
        answer.max_age = str(settings.max_age.seconds)
    if settings.HasField("allow_credentials"):
        answer.allow_credentials.CopyFrom(settings.allow_credentials)
    ignored = settings.unmatched_preflights == CorsPolicy.IGNORE
    answer.forward_not_matching_preflights.CopyFrom(BoolValue(value=not ignored))
    return answer


def _origins(settings: CorsPolicy) -> list[StringMatcher]:
    """The older list counts only where the newer one is empty."""
    if not settings.allow_origins:
        return [StringMatcher(exact=origin) for origin in settings.allow_origin]
    return [matcher for each in settings.allow_origins if (matcher := _origin(each)) is not None]


def _origin(origin: StringMatch) -> StringMatcher | None:
    kind = origin.WhichOneof("match_type")
    if kind == "regex":
        return None if regex_fault(origin.regex) else StringMatcher(safe_regex=RegexMatcher(regex=origin.regex))
    return StringMatcher(prefix=origin.prefix) if kind == "prefix" else StringMatcher(exact=origin.exact)

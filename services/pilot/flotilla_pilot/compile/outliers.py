"""Outlier detection: which endpoints are left out for a while because of how they answer."""

from collections.abc import Iterable, Mapping
from typing import Any

from envoy.config.cluster.v3.outlier_detection_pb2 import OutlierDetection as EnvoyOutlierDetection
from envoy.config.common.matcher.v3.matcher_pb2 import HttpHeadersMatch, MatchPredicate
from envoy.config.route.v3.route_components_pb2 import HeaderMatcher
from envoy.type.matcher.v3.string_pb2 import StringMatcher

from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import OutlierDetection

CODES = range(100, 600)


def apply_outliers(cluster: Any, settings: OutlierDetection | None) -> None:
    """Which share must be healthy is 0 unless a rule states it: else Envoy would soon call those that are not."""
    if settings is None:
        return
    if settings.min_health_percent > 0:
        cluster.common_lb_config.healthy_panic_threshold.value = settings.min_health_percent
    target = EnvoyOutlierDetection()
    for name in ("interval", "base_ejection_time"):
        if settings.HasField(name):
            getattr(target, name).CopyFrom(getattr(settings, name))
    for name, value in _numbers(settings).items():
        getattr(target, name).value = value
    target.split_external_local_origin_errors = settings.split_external_local_origin_errors
    cluster.outlier_detection.CopyFrom(target)


def _numbers(settings: OutlierDetection) -> Mapping[str, int]:
    """The numbers that are stated; a count of 0 switches its detector off. Rates of success are never looked at."""
    numbers: dict[str, int] = {"enforcing_success_rate": 0}
    if settings.max_ejection_percent > 0:
        numbers["max_ejection_percent"] = min(settings.max_ejection_percent, 100)
    gateway = (
        settings.consecutive_gateway_errors.value
        if settings.HasField("consecutive_gateway_errors")
        else max(settings.consecutive_errors, 0)
    )
    if gateway or settings.HasField("consecutive_gateway_errors"):
        numbers |= _detector("gateway_failure", gateway)
    if settings.HasField("consecutive_5xx_errors"):
        numbers |= _detector("5xx", settings.consecutive_5xx_errors.value)
    elif settings.consecutive_errors > 0:
        numbers["enforcing_consecutive_5xx"] = 0
    if settings.split_external_local_origin_errors:
        numbers["enforcing_local_origin_success_rate"] = 0
        if settings.consecutive_local_origin_failures.value > 0:
            numbers |= _detector("local_origin_failure", settings.consecutive_local_origin_failures.value)
    return numbers


def _detector(name: str, count: int) -> dict[str, int]:
    return {f"consecutive_{name}": count, f"enforcing_consecutive_{name}": 100 if count else 0}


def error_matcher(settings: OutlierDetection | None) -> MatchPredicate | None:
    """What answers count as errors, where a rule names codes; None for Envoy's own rule. What is no code is left out."""
    codes = dict.fromkeys(settings.outlier_detection_http_error_codes) if settings is not None else ()
    found = [_answered(code) for code in codes if code in CODES]
    if len(found) <= 1:
        return found[0] if found else None
    return _any_of(found)


def _answered(code: int) -> MatchPredicate:
    status = HeaderMatcher(name=":status", string_match=StringMatcher(exact=str(code)))
    return MatchPredicate(http_response_headers_match=HttpHeadersMatch(headers=[status]))


def _any_of(predicates: Iterable[MatchPredicate]) -> MatchPredicate:
    return MatchPredicate(or_match=MatchPredicate.MatchSet(rules=predicates))

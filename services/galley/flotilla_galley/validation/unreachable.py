"""Rules and matches of a VirtualService that no request ever comes to (VS10, VS11): warnings, for routing works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import HTTPMatchRequest, StringMatch, VirtualService

# The codes of what is told here.
UNREACHABLE, INEFFECTIVE = "unreachable", "ineffective"
_TEXTS = ("scheme", "method", "authority")
_PAIRS = ("headers", "without_headers", "query_params", "source_labels")
# Each match is compared with all before it, in an object that may hold a hundred thousand.
MOST_COMPARISONS = 100_000
K = TypeVar("K")


def check_reachable(spec: VirtualService, report: Report) -> None:
    for field in ("http", "tls", "tcp"):
        _rules(getattr(spec, field), field, report)


def _rules(rules: Sequence[Any], field: str, report: Report) -> None:
    """The rules of one kind of route, in order. `seen` has every match so far with its place."""
    catch_all: Report | None = None
    seen: list[tuple[Any, Report]] = []
    for place, rule in report.each(field, rules):
        if catch_all is not None:
            place.warn(
                f"it is never reached: {catch_all.path} before it has no match and takes everything", "unreachable"
            )
        elif not rule.match:
            catch_all = place
        else:
            _matches(rule, place, seen)


def _matches(rule: Any, report: Report, seen: list[tuple[Any, Report]]) -> None:
    repeated = 0
    for where, match in report.each("match", rule.match):
        bare = _unnamed(match)
        same = next((place for other, place in seen if other == bare), None)
        wide = same or next((place for other, place in seen if _covers(other, bare)), None)
        if wide is not None:
            where.warn(f"it is never used: {wide.path} before it takes the same requests", "ineffective")
        repeated += same is not None
        seen.append((bare, where))
    if repeated == len(rule.match):
        report.warn("it is never reached: rules before it have all of its matches", "unreachable")


def _unnamed(match: Any) -> Any:
    """Its name does not change what a match takes."""
    if not (isinstance(match, HTTPMatchRequest) and match.name):
        return match
    copy = HTTPMatchRequest()
    copy.CopyFrom(match)
    copy.ClearField("name")
    return copy


def _covers(wide: Any, narrow: Any) -> bool:
    """Whether a prefix takes all that a longer one does. What is no prefix is not compared."""
    if not isinstance(wide, HTTPMatchRequest) or not isinstance(narrow, HTTPMatchRequest):
        return False
    return (
        _prefix_covers(wide, narrow)
        and all(not wide.HasField(name) or getattr(wide, name) == getattr(narrow, name) for name in _TEXTS)
        and all(_among(getattr(wide, name), getattr(narrow, name)) for name in _PAIRS)
        and wide.port in (0, narrow.port)
        and wide.source_namespace in ("", narrow.source_namespace)
        and (not wide.gateways or (bool(narrow.gateways) and set(narrow.gateways) <= set(wide.gateways)))
    )


def _prefix_covers(wide: HTTPMatchRequest, narrow: HTTPMatchRequest) -> bool:
    first, second = _prefix(wide.uri), _prefix(narrow.uri)
    if not first or not second:
        return False
    if wide.ignore_uri_case:
        return second.lower().startswith(first.lower())
    return not narrow.ignore_uri_case and second.startswith(first)


def _prefix(uri: StringMatch) -> str:
    return uri.prefix if uri.WhichOneof("match_type") == "prefix" else ""


def _among(asked: Mapping[K, Any], others: Mapping[K, Any]) -> bool:
    """Whether all that is asked is asked by the others too."""
    return all(name in others and others[name] == value for name, value in asked.items())

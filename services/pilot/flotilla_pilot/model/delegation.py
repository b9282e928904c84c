"""Delegation: the HTTP rules of a VirtualService without hosts take the place of a root's rule (one level only).

Istio's rules of merging: the root's matches and the delegate's are joined pair by pair, a rule of the delegate that
reaches beyond the root's matches is dropped, what the delegate states about a call counts before what the root states.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import HTTPMatchRequest, HTTPRoute, StringMatch

_TAKEN_OVER = (
    "rewrite",
    "direct_response",
    "timeout",
    "retries",
    "fault",
    "mirror",
    "mirror_percent",
    "mirror_percentage",
    "cors_policy",
    "headers",
)
_TEXTS = ("uri", "scheme", "method", "authority")
_MAPS = ("headers", "without_headers", "query_params")


def merge_rule(root: HTTPRoute, delegate: HTTPRoute) -> HTTPRoute | None:
    """The delegate's rule where the root's leads to it; None if their matches never meet."""
    matches = merge_matches(list(root.match), list(delegate.match))
    if matches is None:
        return None
    merged = HTTPRoute()
    merged.CopyFrom(delegate)
    del merged.match[:]
    merged.match.extend(matches)
    merged.name = _joined(root.name, delegate.name)
    for field in _TAKEN_OVER:
        if root.HasField(field) and not delegate.HasField(field):
            getattr(merged, field).CopyFrom(getattr(root, field))
    if not delegate.mirrors:
        merged.mirrors.extend(root.mirrors)
    return merged


def merge_matches(root: list[HTTPMatchRequest], delegate: list[HTTPMatchRequest]) -> list[HTTPMatchRequest] | None:
    """Both conditions together, each of the delegate's with each of the root's that it lies within.

    None if one of the delegate's lies within none: then the whole rule does not count.
    """
    if not root or not delegate:
        return root or delegate
    found: list[HTTPMatchRequest] = []
    for inner in delegate:
        within = [_merged(outer, inner) for outer in root if not conflict(outer, inner)]
        if not within:
            return None
        found += within
    return found


def conflict(root: HTTPMatchRequest, delegate: HTTPMatchRequest) -> bool:
    """Whether the delegate's match asks for something that is not within the root's."""
    if any(_texts_conflict(*_both(root, delegate, field)) for field in _TEXTS):
        return True
    for field in _MAPS:
        outer, inner = getattr(root, field), getattr(delegate, field)
        if any(_texts_conflict(outer[name], wanted) for name, wanted in sorted(inner.items()) if name in outer):
            return True
    if root.ignore_uri_case != delegate.ignore_uri_case:
        return True
    if root.port and delegate.port and root.port != delegate.port:
        return True
    return _source_conflict(root, delegate)


def _source_conflict(root: HTTPMatchRequest, delegate: HTTPMatchRequest) -> bool:
    if any(root.source_labels.get(name, value) != value for name, value in delegate.source_labels.items()):
        return True
    if root.source_namespace and delegate.source_namespace and root.source_namespace != delegate.source_namespace:
        return True
    return bool(root.gateways) and not set(delegate.gateways) <= set(root.gateways)


def _both(root: HTTPMatchRequest, delegate: HTTPMatchRequest, field: str) -> Iterator[StringMatch | None]:
    return (getattr(each, field) if each.HasField(field) else None for each in (root, delegate))


def _texts_conflict(root: StringMatch | None, delegate: StringMatch | None) -> bool:
    """An expression is within nothing and holds nothing, as far as can be told; the rest by prefix."""
    if root is None or delegate is None:
        return False
    if root.regex or delegate.regex:
        return True
    if root.exact:
        return delegate.exact != root.exact
    inner = delegate.prefix or delegate.exact
    return not (root.prefix and inner.startswith(root.prefix))


def _merged(root: HTTPMatchRequest, delegate: HTTPMatchRequest) -> HTTPMatchRequest:
    merged = HTTPMatchRequest()
    merged.CopyFrom(delegate)
    merged.name = _joined(root.name, delegate.name)
    for field in _TEXTS:
        if root.HasField(field) and not delegate.HasField(field):
            getattr(merged, field).CopyFrom(getattr(root, field))
    for field in _MAPS:
        _complete(getattr(merged, field), getattr(root, field))
    merged.source_labels.update({**root.source_labels, **delegate.source_labels})
    for field in ("port", "source_namespace", "stat_prefix"):
        setattr(merged, field, getattr(delegate, field) or getattr(root, field))
    if not delegate.gateways:
        merged.gateways.extend(root.gateways)
    return merged


def _complete(into: Any, outer: Mapping[str, StringMatch]) -> None:
    for name in [each for each in outer if each not in into]:
        into[name].CopyFrom(outer[name])


def _joined(root: str, delegate: str) -> str:
    return "-".join(each for each in (root, delegate) if each)

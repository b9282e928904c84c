"""From the matches of a VirtualService to Envoy's."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from envoy.config.route.v3.route_components_pb2 import HeaderMatcher, QueryParameterMatcher, RouteMatch
from envoy.type.matcher.v3.metadata_pb2 import MetadataMatcher
from envoy.type.matcher.v3.regex_pb2 import RegexMatcher
from envoy.type.matcher.v3.string_pb2 import StringMatcher

from flotilla_pilot.compile.claims import claim_matcher, claim_path
from flotilla_pilot.compile.regex import regex_fault
from flotilla_pilot.model.frozen import FrozenMap
from flotilla_pilot.model.route_rules import MESH_GATEWAY, RouteRules
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import HTTPMatchRequest, StringMatch
from flotilla_shared.model.labels import selects

ANYTHING = (".*", "*")


class MatchRefused(ValueError):
    """A match that Envoy cannot be given: `field` is relative to the match, the text says why."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True, slots=True)
class Client:
    """Whose requests are routed: what `port`, `sourceLabels`, `sourceNamespace` and `gateways` ask about."""

    port: int
    namespace: str
    labels: FrozenMap
    gateways: frozenset[str] = frozenset({MESH_GATEWAY})
    tls: bool = False
    """Whether the requests come by a gateway's server that has TLS settings: a redirect stays with its scheme."""


def applies(match: Any, rules: RouteRules, client: Client) -> bool:
    """Whether a match (HTTP, TLS or TCP) is for this client at all; these fields never reach Envoy."""
    if match.port and match.port != client.port:
        return False
    if match.source_namespace and match.source_namespace != client.namespace:
        return False
    if match.source_labels and not selects(match.source_labels, client.labels):
        return False
    return not match.gateways or bool(client.gateways & {rules.full_gateway(each) for each in match.gateways})


def routes_http(rules: RouteRules, client: Client) -> bool:
    """Whether `rules` have anything to say of the client's requests; those that have not leave a host as it is."""
    return any(not http.match or any(applies(each, rules, client) for each in http.match) for http in rules.spec.http)


def route_match(match: HTTPMatchRequest, *, whole_parts: bool = False) -> RouteMatch:
    """All fields of `match` together. Raises MatchRefused.

    `whole_parts`: a prefix ends where a part of the path ends, as an Ingress means it.
    """
    answer = RouteMatch(
        headers=list(_headers(match)),
        query_parameters=list(_parameters(match)),
        dynamic_metadata=list(_claims(match)),
    )
    _set_path(answer, match, whole_parts)
    return answer


def any_request() -> RouteMatch:
    return RouteMatch(prefix="/")


def is_catch_all(match: HTTPMatchRequest) -> bool:
    """Whether every request matches: nothing is asked but a path that all have."""
    asked = (match.headers, match.query_params, match.without_headers)
    if any(asked) or any(match.HasField(name) for name in ("scheme", "method", "authority")):
        return False
    kind = match.uri.WhichOneof("match_type")
    return kind is None or (kind == "prefix" and match.uri.prefix in ("", "/")) or match.uri.regex in ANYTHING


def _set_path(answer: Any, match: HTTPMatchRequest, whole_parts: bool) -> None:
    kind = match.uri.WhichOneof("match_type")
    if kind == "exact":
        answer.path = match.uri.exact
    elif kind == "regex":
        answer.safe_regex.CopyFrom(_regex(match.uri.regex, "uri.regex"))
    elif whole_parts and match.uri.prefix.strip("/"):
        answer.path_separated_prefix = match.uri.prefix.rstrip("/")
    else:
        answer.prefix = match.uri.prefix or "/"
    answer.case_sensitive.value = not match.ignore_uri_case


def _headers(match: HTTPMatchRequest) -> Iterable[HeaderMatcher]:
    for name in ("scheme", "method", "authority"):
        if match.HasField(name):
            yield _header(f":{name}", getattr(match, name), name)
    for name, wanted in sorted(match.headers.items()):
        if not claim_path(name):
            yield _header(name, wanted, f"headers[{name}]")
    for name, unwanted in sorted(match.without_headers.items()):
        if not claim_path(name):
            yield _without(name, unwanted)


def _claims(match: HTTPMatchRequest) -> Iterable[MetadataMatcher]:
    """What is asked of a verified token, under names of headers that begin like no header's."""
    for field, invert in (("headers", False), ("without_headers", True)):
        for name, wanted in sorted(getattr(match, field).items()):
            path = claim_path(name)
            if path:
                shown = "withoutHeaders" if invert else field
                yield claim_matcher(path, _claim_text(wanted, f"{shown}[{name}]"), invert=invert)


def _claim_text(wanted: StringMatch, field: str) -> StringMatcher:
    """Anything at all where nothing is asked: the claim must be there then."""
    return StringMatcher(safe_regex=RegexMatcher(regex=".*")) if _is_presence(wanted) else _string(wanted, field)


def _header(name: str, wanted: StringMatch, field: str) -> HeaderMatcher:
    if name.startswith("@"):
        raise MatchRefused(field, f"{name!r} is neither a header nor @request.auth.claims.NAME")
    if _is_any(wanted):
        return HeaderMatcher(name=name, present_match=True)
    return HeaderMatcher(name=name, string_match=_string(wanted, field))


def _without(name: str, unwanted: StringMatch) -> HeaderMatcher:
    """A header that is missing is not the unwanted one: Envoy must be told to see it as empty."""
    if unwanted.regex in ANYTHING:
        return HeaderMatcher(name=name, present_match=True, invert_match=True)
    matcher = _header(name, unwanted, f"withoutHeaders[{name}]")
    matcher.invert_match = True
    matcher.treat_missing_header_as_empty = not _is_any(unwanted)
    return matcher


def _parameters(match: HTTPMatchRequest) -> Iterable[QueryParameterMatcher]:
    for name, wanted in sorted(match.query_params.items()):
        if _is_any(wanted):
            yield QueryParameterMatcher(name=name, present_match=True)
        else:
            yield QueryParameterMatcher(name=name, string_match=_string(wanted, f"queryParams[{name}]"))


def _is_any(wanted: StringMatch) -> bool:
    """Whether nothing is asked but that it is there; one that is said to be empty must be."""
    kind = wanted.WhichOneof("match_type")
    return kind is None or wanted.regex == "*" or (kind != "exact" and not getattr(wanted, kind))


def _is_presence(wanted: StringMatch) -> bool:
    kind = wanted.WhichOneof("match_type")
    return kind is None or (kind == "regex" and wanted.regex in ANYTHING) or not getattr(wanted, kind)


def _string(wanted: StringMatch, field: str) -> StringMatcher:
    kind = wanted.WhichOneof("match_type")
    if kind == "regex":
        return StringMatcher(safe_regex=_regex(wanted.regex, f"{field}.regex"))
    return StringMatcher(prefix=wanted.prefix) if kind == "prefix" else StringMatcher(exact=wanted.exact)


def _regex(pattern: str, field: str) -> RegexMatcher:
    fault = regex_fault(pattern)
    if fault:
        raise MatchRefused(field, f"{pattern!r} {fault}")
    return RegexMatcher(regex=pattern)

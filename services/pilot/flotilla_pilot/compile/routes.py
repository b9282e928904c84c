"""From the HTTP rules of a VirtualService to Envoy's routes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from envoy.config.core.v3.base_pb2 import DataSource, Metadata
from envoy.config.route.v3.route_components_pb2 import DirectResponseAction, RedirectAction, Route, RouteMatch
from google.protobuf.struct_pb2 import Struct

from flotilla_pilot.compile import filters, mixer, names
from flotilla_pilot.compile.guard import fault
from flotilla_pilot.compile.header_operations import RESERVED_HEADER, apply_headers, stated_headers
from flotilla_pilot.compile.matching import (
    ANYTHING,
    Client,
    MatchRefused,
    any_request,
    applies,
    is_catch_all,
    route_match,
)
from flotilla_pilot.compile.packing import pack
from flotilla_pilot.compile.route_action import RouteTargets, default_action, route_action, weighted
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.route_rules import RouteRules
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import HTTPRedirect, HTTPRoute
from flotilla_shared.model.problems import ProblemLog

UNAVAILABLE = 503
MAX_BODY = 1 << 20
"""Bytes of a direct response: what route tables allow, as in Istio."""

_CODES = {
    0: RedirectAction.MOVED_PERMANENTLY,
    301: RedirectAction.MOVED_PERMANENTLY,
    302: RedirectAction.FOUND,
    303: RedirectAction.SEE_OTHER,
    307: RedirectAction.TEMPORARY_REDIRECT,
    308: RedirectAction.PERMANENT_REDIRECT,
}


_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, eq=False)
class Translation:
    """What the routes of one virtual host are made in: whose traffic, which rules, where they lead."""

    rules: RouteRules
    client: Client
    targets: RouteTargets
    mesh: MeshOptions
    log: ProblemLog

    def refuse(self, index: int, code: str, part: str, text: str) -> None:
        """Tell what of HTTP rule `index` is left out, where it was written; `part` is a field of the rule, or none."""
        place = self.rules.places[index]
        self.log.error(place.key, code, f"{place.field}.{part}" if part else place.field, text)


def translate(given: Translation) -> list[Any]:
    """The routes for the client, in order; nothing follows a rule that takes everything."""
    routes: list[Any] = []
    for index, http in enumerate(given.rules.spec.http):
        base: Any = None
        for match, name, takes_all, stat_prefix in _matches(given, index, http):
            base = base or _base(given, index, http)
            if base is None:
                break
            if _refused(given, index, match):
                continue
            route = Route(name=name, match=match, stat_prefix=stat_prefix)
            route.MergeFrom(base)
            route.decorator.operation = _operation(given, route)
            routes.append(route)
            if takes_all:
                return routes
    return routes


def _refused(given: Translation, index: int, match: RouteMatch) -> bool:
    """Hold a match to Envoy's own limits: a bad one is left out."""
    broken = fault(match)
    if broken is None:
        return False
    path, text = broken
    given.refuse(index, "refused-by-envoy", "", f"Envoy's match.{path} {text}; requests go on to the next rule")
    return True


def _base(given: Translation, index: int, http: HTTPRoute) -> Any | None:
    """All of a rule's routes but what each match says; what Envoy would refuse is answered 503. None: no route."""
    route = _route(given, index, http)
    if route is None:
        return None
    broken = fault(route)
    if broken is not None:
        path, text = broken
        given.refuse(index, "refused-by-envoy", "", f"Envoy's {path} {text}; calls are answered 503")
        route = Route(metadata=route.metadata)
        route.direct_response.status = UNAVAILABLE
    route.ClearField("match")
    return route


def default_route(targets: Any, label: str, mesh: MeshOptions) -> Any:
    """The route of a service that no VirtualService routes."""
    route = Route(
        name="default",
        match=any_request(),
        decorator={"operation": f"{label}/*"},
        route=default_action(targets, mesh),
    )
    mixer.add_static(route.metadata, mixer.attributes_of(targets.host, targets.namespace, mesh))
    return route


def _matches(given: Translation, index: int, http: HTTPRoute) -> Iterator[tuple[RouteMatch, str, bool, str]]:
    """One for each match that is for this client: matcher, name, whether it takes everything, and its stat prefix."""
    if not http.match:
        yield any_request(), http.name, True, ""
    for number, match in enumerate(http.match):
        if not applies(match, given.rules, given.client):
            continue
        try:
            matcher = route_match(match, whole_parts=given.rules.whole_parts)
        except MatchRefused as refused:
            merged = given.rules.places[index].delegated
            part = f"match.{refused.field}" if merged else f"match[{number}].{refused.field}"
            given.refuse(index, "match-refused", part, f"{refused}; requests go on to the next rule")
            continue
        name = f"{http.name}.{match.name}" if match.name else http.name
        yield matcher, name, is_catch_all(match), match.stat_prefix


def _route(given: Translation, index: int, http: HTTPRoute) -> Any | None:
    route = Route(match=any_request(), metadata=_metadata(given.rules))
    for refused in apply_headers(route, stated_headers(http)):
        given.refuse(index, "refused-by-envoy", f"headers.{refused}", RESERVED_HEADER)
    if http.HasField("redirect"):
        if http.redirect.redirect_code not in _CODES:
            text = f"{http.redirect.redirect_code} is no redirect Envoy knows (301, 302, 303, 307, 308)"
            given.refuse(index, "redirect-refused", "redirect.redirectCode", text)
            return None
        route.redirect.CopyFrom(_redirect(http.redirect, given.client))
    elif http.HasField("direct_response"):
        route.direct_response.CopyFrom(_direct_response(given, index, http))
    elif http.route:
        for part, text in route_action(route, http, index, given.targets, given.mesh):
            given.refuse(index, "refused-by-envoy", part, text)
    else:
        route.direct_response.status = UNAVAILABLE
    mixer.add_static(route.metadata, _static(given, index, http))
    _add_filters(http, route)
    return route


def _static(given: Translation, index: int, http: HTTPRoute) -> mixer.Attributes:
    """Of the first destination that gets requests; what was sent elsewhere is told by its cluster."""
    used = weighted(given.targets.routes[index], http.route)
    if not used:
        return {}
    target, _ = used[0]
    return mixer.attributes_of(target.host, target.namespace, given.mesh) or mixer.nowhere(names.BLACK_HOLE, given.mesh)


def _add_filters(http: HTTPRoute, route: Any) -> None:
    """Faults and cors of the rule itself."""
    injected = filters.fault(http.fault) if http.HasField("fault") else None
    if injected is not None:
        route.typed_per_filter_config[filters.FAULT].CopyFrom(pack(injected))
    if http.HasField("cors_policy"):
        route.typed_per_filter_config[filters.CORS].CopyFrom(pack(filters.cors(http.cors_policy)))


def _redirect(settings: HTTPRedirect, client: Client) -> RedirectAction:
    """Envoy keeps no request's port by itself; a table is for one port, which is that of the request.

    A port that goes without saying is not said.
    """
    action = RedirectAction(
        host_redirect=settings.authority,
        response_code=_CODES[settings.redirect_code],
        port_redirect=settings.port,
    )
    if settings.WhichOneof("redirect_port") == "derive_port" and settings.derive_port == HTTPRedirect.FROM_REQUEST_PORT:
        action.port_redirect = client.port
    if action.port_redirect == _DEFAULT_PORTS.get(settings.scheme or ("https" if client.tls else "http")):
        action.port_redirect = 0
    if settings.prefix_rewrite:
        action.prefix_rewrite = settings.prefix_rewrite
    else:
        action.path_redirect = settings.uri
    if settings.scheme:
        action.scheme_redirect = settings.scheme
    return action


def _direct_response(given: Translation, index: int, http: HTTPRoute) -> DirectResponseAction:
    status = http.direct_response.status
    if not 200 <= status < 600:
        given.refuse(
            index,
            "status-refused",
            "directResponse.status",
            f"{status} is no status from 200 to 599; 503 is sent",
        )
        return DirectResponseAction(status=UNAVAILABLE)
    action = DirectResponseAction(status=status)
    body = http.direct_response.body
    if max(len(body.string.encode()), len(body.bytes)) > MAX_BODY:
        given.refuse(
            index, "refused-by-envoy", "directResponse.body", f"a body has at most {MAX_BODY} bytes; 503 is sent"
        )
        return DirectResponseAction(status=UNAVAILABLE)
    if body.WhichOneof("specifier") == "string":
        action.body.CopyFrom(DataSource(inline_string=body.string))
    elif body.bytes:
        action.body.CopyFrom(DataSource(inline_bytes=body.bytes))
    return action


def _operation(given: Translation, route: Any) -> str:
    """`host:port` and the path, as traces name the operation; without one destination the rules' name is the host."""
    place = names.host_and_port(route.route.cluster) if route.HasField("route") else None
    host, port = place or (given.rules.item.key.name, str(given.client.port))
    return f"{host}:{port}{_shown_path(route.match)}"


def _shown_path(match: Any) -> str:
    kind = match.WhichOneof("path_specifier")
    return f"{match.prefix}*" if kind == "prefix" else match.path or match.safe_regex.regex or "/*"


def _metadata(rules: RouteRules) -> Metadata:
    struct = Struct()
    key = rules.item.key
    struct.update({"config": names.config_path(key.namespace, "virtual-service", key.name)})
    return Metadata(filter_metadata={"istio": struct})


def takes_everything(route: Any) -> bool:
    """Whether every request of the virtual host fits: nothing behind the route is ever come to."""
    match = route.match
    if match.headers or match.query_parameters or match.dynamic_metadata:
        return False
    kind = match.WhichOneof("path_specifier")
    if kind == "safe_regex":
        return match.safe_regex.regex in ANYTHING
    return kind in ("prefix", "path_separated_prefix") and getattr(match, kind) == "/"

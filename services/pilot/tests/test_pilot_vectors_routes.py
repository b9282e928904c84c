"""Istio's own cases of routes, rule by rule. What differs is listed with its reason."""

from pathlib import Path
from typing import Any

import pytest
from envoy.config.route.v3.route_components_pb2 import Route, VirtualHost
from google.protobuf import json_format

from flotilla_pilot.compile import filters, names
from flotilla_pilot.compile.claims import claim_path
from flotilla_pilot.compile.destinations import Target
from flotilla_pilot.compile.gateway_routes import catch_alls_last, finished
from flotilla_pilot.compile.matching import Client, any_request, applies, route_match
from flotilla_pilot.compile.route_action import find_targets, mirror_shares, route_action
from flotilla_pilot.compile.routes import Translation, takes_everything, translate
from flotilla_pilot.model.delegation import conflict, merge_matches, merge_rule
from flotilla_pilot.model.frozen import FrozenMap
from flotilla_pilot.model.mesh import MeshSettings, mesh_options
from flotilla_pilot.model.route_rules import RouteRules, build_route_rules, full_gateway
from flotilla_pilot.testing.meshes import read_object
from flotilla_pilot.testing.rows import Check, Skipped, play_table, skip
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import (
    CorsPolicy,
    Destination,
    HTTPFaultInjection,
    HTTPMatchRequest,
    HTTPMirrorPolicy,
    HTTPRoute,
    L4MatchAttributes,
    TLSMatchAttributes,
)
from flotilla_shared.model.problems import ProblemLog

Pair = tuple[Any, Any]
MESH = mesh_options(None, MeshSettings())
RULE_AWAY = "the DestinationRule is not in the row"
GATEWAY_API = "the semantics of the Gateway API's routes, marked by an annotation"


def parse(message: Any, tree: Any) -> Any:
    return json_format.ParseDict(tree or {}, message(), ignore_unknown_fields=True)


def parsed(message: Any, given: Any) -> list[Any]:
    return [parse(message, each) for each in given or ()]


def trees(messages: Any) -> Any:
    return None if messages is None else [json_format.MessageToDict(each) for each in messages]


# -- delegates (model-virtualservice, model-virtualservice_controller)


def merged_rules(case: Any) -> Pair:
    root = parse(HTTPRoute, case["root"])
    found = [merge_rule(root, each) for each in parsed(HTTPRoute, case["delegate"])]
    return trees(each for each in found if each is not None), trees(parsed(HTTPRoute, case.get("expected")))


def merged_matches(case: Any) -> Pair:
    root, delegate = (parsed(HTTPMatchRequest, case.get(side)) for side in ("root", "delegate"))
    wanted = case.get("expected")
    return trees(merge_matches(root, delegate)), trees(parsed(HTTPMatchRequest, wanted)) if wanted else None


def conflicts(case: Any) -> Pair:
    root, leaf = (parse(HTTPMatchRequest, case.get(side)) for side in ("root", "leaf"))
    return conflict(root, leaf), case.get("expected", False)


def virtual_services(case: Any) -> Pair:
    found = rules_of(case["virtualServices"], case["defaultExportTo"])
    wanted = [config(each, 0) for each in case["expectedVirtualServices"]]
    named = [(each.item.key.full_name, json_format.MessageToDict(each.spec)) for each in found]
    return named, [(each.key.full_name, json_format.MessageToDict(each.spec)) for each in wanted]


def rules_of(given: list[Any], export: list[str]) -> tuple[RouteRules, ...]:
    return build_route_rules([config(each, n) for n, each in enumerate(given)], "cluster.local", export, ProblemLog())


def config(given: Any, number: int) -> Any:
    kind = given["Meta"]["GroupVersionKind"]
    metadata = {"name": given["Meta"]["Name"], "namespace": given["Meta"].get("Namespace", "default")}
    document = {"apiVersion": f"{kind['Group']}/{kind['Version']}", "kind": kind["Kind"], "metadata": metadata}
    return read_object({**document, "spec": given["Spec"]}, number)


def gateway_names(case: Any) -> Pair:
    return full_gateway(case["gateway"], case["namespace"]), case["resolved"]


# -- parts of a route (unit route, tables route-route and route-route_internal)


def shares(given: Any, wanted: Any) -> Pair:
    """Percentages are compared as such: here they are always of a million."""
    found = mirror_shares(given)
    return fraction(json_format.MessageToDict(found[0][1])) if found else None, fraction(wanted)


def fraction(tree: Any) -> Any:
    if tree is None:
        return None
    value = tree["defaultValue"]
    return value["numerator"] / (10_000 if value.get("denominator") == "MILLION" else 1)


def policy_share(given: Any, wanted: Any) -> Pair:
    return shares(HTTPRoute(mirrors=[parse(HTTPMirrorPolicy, given)]), wanted)


def source(given: Any, namespace: str, wanted: bool) -> Pair:
    rules = rules_of([VIRTUAL_SERVICE], ["*"])[0]
    return applies(parse(HTTPMatchRequest, given), rules, Client(80, namespace, FrozenMap())), wanted


def connection(kind: Any) -> Check:
    """Whether a match of connections is for a client of the row's namespace."""

    def check(case: Any) -> Pair:
        given = parse(kind, case["args"]["match"])
        client = Client(80, case["args"].get("namespace", ""), FrozenMap())
        return applies(given, rules_of([VIRTUAL_SERVICE], ["*"])[0], client), case.get("want", False)

    return check


VIRTUAL_SERVICE = {
    "Meta": {
        "GroupVersionKind": {"Group": "networking.istio.io", "Kind": "VirtualService", "Version": "v1"},
        "Name": "v",
    },
    "Spec": {"hosts": ["a"]},
}


def claims(name: str, wanted: Any, value: Any) -> Pair:
    if value is None:
        return claim_path(name) or None, wanted
    if not claim_path(name):
        return None, wanted
    match = parse(HTTPMatchRequest, {"headers": {name: value}})
    return trees(route_match(match).dynamic_metadata)[0], wanted


def catch_all(route: Any, wanted: bool) -> Pair:
    return takes_everything(parse(Route, route)), wanted


def ordered(routes: list[Any], wanted: list[Any]) -> Pair:
    wire = b"".join(each.wire for each in catch_alls_last(map(finished, parsed(Route, routes))))
    return trees(VirtualHost.FromString(wire).routes), wanted


def injected(given: Any, wanted: Any) -> Pair:
    return json_format.MessageToDict(filters.fault(parse(HTTPFaultInjection, given))), wanted


def cors(given: Any, wanted: Any) -> Pair:
    """Preflights of origins that do not match go on unless it is said otherwise: that is Envoy's default, too."""
    found = json_format.MessageToDict(filters.cors(parse(CorsPolicy, given)))
    sides = [{"forwardNotMatchingPreflights": True, **each} for each in (found, wanted)]
    for each in sides:
        each["filterEnabled"] = fraction(each["filterEnabled"])
    return sides[0], sides[1]


def mirrored(cluster: str, wanted: Any) -> Pair:
    http = parse(HTTPRoute, {"mirror": {"host": "m"}, "route": [{"destination": {"host": "a"}}]})
    rules = rules_of([{**VIRTUAL_SERVICE, "Spec": {"hosts": ["a"], "http": [json_format.MessageToDict(http)]}}], ["*"])[
        0
    ]
    route = Route()
    list(route_action(route, http, 0, find_targets(rules, lambda _: Target(cluster)), MESH))
    (found,) = trees(route.route.request_mirror_policies)
    del found["disableShadowHostSuffixAppend"]  # which the row's environment switches off
    return {**found, "runtimeFraction": fraction(found["runtimeFraction"])}, {
        **wanted,
        "runtimeFraction": fraction(wanted["runtimeFraction"]),
    }


# -- whole rules


def translated(row: Any) -> Pair:
    given = row["input"]
    if given["opts"].get("IsHTTP3AltSvcHeaderNeeded") or given["opts"].get("InferencePoolExtensionRefs"):
        raise Skipped("HTTP/3 and inference pools are not offered")
    if given["virtualService"]["Meta"].get("Annotations") and "empty_prefix" in row["id"]:
        raise Skipped(GATEWAY_API)
    if any("hashPolicy" in each.get("route", {}) for each in row["result"][0] or ()):
        raise Skipped(RULE_AWAY)
    stated = given["virtualService"]
    rules = rules_of([{**stated, "Spec": {"hosts": ["x.io"], **stated["Spec"]}}], ["*"])[0]
    client = Client(given["listenPort"], given["node"]["Metadata"]["Namespace"], FrozenMap(), gateways(given))
    targets = find_targets(rules, lambda each: target(each, given["listenPort"]))
    routes = translate(Translation(rules, client, targets, MESH, ProblemLog()))
    return [outline(each) for each in trees(routes)], [outline(each) for each in row["result"][0] or ()]


def gateways(given: Any) -> frozenset[str]:
    return frozenset(full_gateway(each, "default") for each in given["gatewayNames"])


def target(destination: Destination, port: int) -> Target:
    number = destination.port.number or port
    return Target(names.outbound_cluster(number, destination.subset, destination.host), destination.host, number)


def outline(route: Any) -> Any:
    """A route but for its metadata (Istio's version of the API is another), what a DestinationRule of the registry adds,
    and what the Gateway API's annotation adds.
    """
    found = json_format.MessageToDict(parse(Route, {**route, "metadata": {}}))
    action = found.get("route", {})
    for name in ("hashPolicy", "clusterNotFoundResponseCode", "appendXForwardedHost"):
        action.pop(name, None)
    return found


BY_ROW: dict[str, Check] = {
    "route.IsCatchAllRoute": lambda row: catch_all(row["input"]["r"], row["result"][0]),
    "route.TranslateCORSPolicy": lambda row: cors(row["input"]["in"], row["result"][0]),
    "route.MirrorPercent": lambda row: shares(parse(HTTPRoute, row["input"]["in"]), row["result"][0]),
    "route.MirrorPercentByPolicy": lambda row: policy_share(row["input"]["mirror"], row["result"][0]),
    "route.sourceMatchHTTP": lambda row: source(
        row["input"]["match"], row["input"]["proxyNamespace"], row["result"][0]
    ),
    "route.translateMetadataMatch": lambda row: claims(row["input"]["name"], row["result"][0], row["input"]["in"]),
    "route.TranslateFault": lambda row: injected(row["input"]["in"], row["result"][0]),
    "route.TranslateRequestMirrorPolicy": lambda row: mirrored(row["input"]["cluster"], row["result"][0]),
    "route.SortVHostRoutes": lambda row: ordered(row["input"]["routes"], row["result"][0]),
    "route.TranslateRouteMatch": lambda row: (json_format.MessageToDict(any_request()), row["result"][0]),
    "route.BuildHTTPRoutesForVirtualService": translated,
    "route.GetConsistentHashForVirtualService": skip(RULE_AWAY),
    "route.BuildSidecarVirtualHostWrapper": skip("the registry is in the shape of Istio's inner model"),
    "route.BuildDefaultHTTPInboundRoute": skip("inbound routes are made from a listener, not by a function of these"),
}
INBOUND = skip("inbound routes are made from a listener, not by a function of these")
TABLES: dict[str, dict[str, Check]] = {
    "tables/model-virtualservice": {
        "TestMergeHttpRoutes": merged_rules,
        "TestMergeHTTPMatchRequests": merged_matches,
        "TestHasConflict": conflicts,
        "TestResolveGatewayName": gateway_names,
        "TestSelectVirtualServicesExclusion": skip("what is excluded is a function of Go, left out of the row"),
        "TestSelectVirtualServicesExclusionWildcard": skip("what is excluded is a function of Go, left out of the row"),
    },
    "tables/model-virtualservice_controller": {
        "TestControllerMergeVirtualServices": virtual_services,
        "TestXDSPushSuppression": skip("which change is written is not in the row"),
    },
    "tables/route-route": {
        "TestSortVHostRoutes": lambda case: ordered(case["in"], case["expected"]),
        "TestInboundHTTPRoute": INBOUND,
    },
    "tables/route-route_internal": {
        "TestIsCatchAllRoute": lambda case: catch_all(case["route"], case.get("want", False)),
        "TestMirrorPercent": lambda case: shares(parse(HTTPRoute, case["route"]), case.get("want")),
        "TestMirrorPercentByPolicy": lambda case: policy_share(case["policy"], case.get("want")),
        "TestSourceMatchHTTP": lambda case: source(
            case["args"]["match"], case["args"]["proxyNamespace"], case.get("want", False)
        ),
        "TestTranslateMetadataMatch": lambda case: claims(case["name"], case.get("want"), case["in"]),
        "TestTranslateFault": lambda case: injected(case["fault"], case["want"]),
        "TestTranslateRequestMirrorPolicy": lambda case: mirrored(case["cluster"], case["want"]),
    },
    "tables/core-tls": {
        "TestMatchTLS": connection(TLSMatchAttributes),
        "TestMatchTCP": connection(L4MatchAttributes),
    },
    "unit/route": BY_ROW,
}
DIFFERENT = {
    "route/TestBuildHTTPRoutes_for_invalid_redirect_code": "Envoy refuses a route that does nothing; it is left out",
}


@pytest.mark.parametrize("table", TABLES)
def test_rows_of_the_table(table: str, vectors: Path) -> None:
    ran, wrong = play_table(vectors / "today" / f"{table}.jsonl", TABLES[table], DIFFERENT)
    assert ran > 0
    assert wrong == [], "\n".join(wrong)

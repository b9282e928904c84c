"""EnvoyFilter (rules EF1 to EF8 of Istio's validation, today's set)."""

from __future__ import annotations

from google.protobuf.struct_pb2 import Struct

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.networking.v1alpha3.envoy_filter_pb2 import EnvoyFilter
from flotilla_shared.model.envoy_values import ValueRefused, build_value

MANAGERS = ("envoy.filters.network.http_connection_manager", "envoy.http_connection_manager")
FRAGILE = "patches depend on how the resources of a proxy are made inside, and may need a change with each release"

_LISTENER_KINDS = frozenset(
    (
        EnvoyFilter.LISTENER,
        EnvoyFilter.FILTER_CHAIN,
        EnvoyFilter.NETWORK_FILTER,
        EnvoyFilter.HTTP_FILTER,
        EnvoyFilter.LISTENER_FILTER,
    )
)
_ROUTE_KINDS = frozenset((EnvoyFilter.ROUTE_CONFIGURATION, EnvoyFilter.VIRTUAL_HOST, EnvoyFilter.HTTP_ROUTE))
_WHOLE_KINDS = frozenset((EnvoyFilter.LISTENER, EnvoyFilter.FILTER_CHAIN))
# Kind of patch -> the one part of a match that may speak of it.
_MATCHES = {
    **dict.fromkeys(_LISTENER_KINDS, "listener"),
    **dict.fromkeys(_ROUTE_KINDS, "route_configuration"),
    EnvoyFilter.CLUSTER: "cluster",
}
_WRITTEN = {"listener": "listener", "route_configuration": "routeConfiguration", "cluster": "cluster"}


def validate(spec: EnvoyFilter, report: Report, namespace: str) -> None:
    report.warn(FRAGILE)
    _workloads(spec, report)
    for where, patch in report.each("configPatches", spec.config_patches):
        _patch(patch, where)
    if spec.filters or spec.workload_labels:
        report.warn("filters and workloadLabels are of before Istio 1.3; they count, and configPatches can say more")


def _workloads(spec: EnvoyFilter, report: Report) -> None:
    if spec.HasField("workload_selector"):
        where = report.at("workloadSelector")
        checks.selector(where.at("labels"), spec.workload_selector.labels)
        if not spec.workload_selector.labels:
            where.warn("it has no labels and selects every workload; leave it out, or name labels")
        if spec.targetRefs:
            report.wrong("workloadSelector and targetRefs exclude each other; keep one of them", "conflict")
    for where, reference in report.each("targetRefs", spec.targetRefs):
        if not (reference.name and reference.kind):
            where.wrong("it must have the kind and the name of what the patches are for")
        if reference.namespace:
            where.at("namespace").wrong("another namespace is out of reach; leave it out")


def _patch(patch: EnvoyFilter.EnvoyConfigObjectPatch, report: Report) -> None:
    """EF4 to EF8; what is wrong at one step leaves the steps after it without ground."""
    waypoint = patch.match.WhichOneof("object_types") == "waypoint"
    if patch.match.context == EnvoyFilter.WAYPOINT:
        if patch.match.WhichOneof("object_types") not in (None, "waypoint"):
            report.at("match").wrong("a match in the context WAYPOINT can only be by waypoint")
        return
    if waypoint:
        report.at("match").wrong("a match by waypoint needs the context WAYPOINT")
    elif text := what_is_missing(patch):
        report.wrong(text)
    elif check_version(patch, report) and check_match(patch, report):
        _value(patch, report)


def what_is_missing(patch: EnvoyFilter.EnvoyConfigObjectPatch) -> str:
    """EF4"""
    if patch.apply_to == EnvoyFilter.INVALID:
        return "applyTo is missing; say what is patched"
    if not patch.HasField("patch"):
        return "patch is missing; say what is to be done"
    if patch.patch.operation == EnvoyFilter.Patch.INVALID:
        return "patch.operation is missing; say what is to be done"
    if patch.patch.operation != EnvoyFilter.Patch.REMOVE and not patch.patch.HasField("value"):
        return "patch.value is missing; only REMOVE does without"
    return ""


def check_version(patch: EnvoyFilter.EnvoyConfigObjectPatch, report: Report) -> bool:
    """EF5; an expression that is too long is today a warning, and matches nothing."""
    pattern = patch.match.proxy.proxy_version
    where = report.at("match").at("proxy").at("proxyVersion")
    if len(pattern) > checks.MAX_REGEX:
        where.warn(f"it is longer than {checks.MAX_REGEX} characters and matches no proxy")
        return True
    text = checks.regex(pattern) if pattern else ""
    where.wrong(text)
    return not text


def check_match(patch: EnvoyFilter.EnvoyConfigObjectPatch, report: Report) -> bool:
    """EF6 and EF7"""
    stated, wanted = patch.match.WhichOneof("object_types"), _MATCHES.get(patch.apply_to)
    if stated is None or wanted is None:
        return True
    where = report.at("match")
    if stated != wanted:
        kind = EnvoyFilter.ApplyTo.Name(patch.apply_to)
        where.wrong(f"{kind} is matched by {_WRITTEN[wanted]}, and by nothing else")
        return False
    if patch.apply_to not in _LISTENER_KINDS or not patch.match.listener.filter_chain.HasField("filter"):
        return True
    return _filter(patch, where.at("listener").at("filterChain").at("filter"))


def _filter(patch: EnvoyFilter.EnvoyConfigObjectPatch, report: Report) -> bool:
    """EF7"""
    stated = patch.match.listener.filter_chain.filter
    if patch.apply_to in _WHOLE_KINDS:
        report.warn(f"it has no effect with {EnvoyFilter.ApplyTo.Name(patch.apply_to)}")
    if not stated.name:
        report.at("name").wrong("it is missing; name the network filter")
        return False
    if not stated.HasField("sub_filter"):
        return True
    where = report.at("subFilter")
    if patch.apply_to != EnvoyFilter.HTTP_FILTER:
        text = "only HTTP_FILTER is matched by a filter in a filter"
    elif stated.name not in MANAGERS:
        text = f"HTTP filters are in {MANAGERS[0]} and in no other filter"
    else:
        text = "" if stated.sub_filter.name else "it has no name to match by"
    where.wrong(text)
    return not text


def _value(patch: EnvoyFilter.EnvoyConfigObjectPatch, report: Report) -> None:
    """EF8: it must make Envoy's message; a field that the message has not may be one of a newer Envoy."""
    value: Struct = patch.patch.value
    where = report.at("patch").at("value")
    try:
        build_value(patch.apply_to, value)
    except ValueRefused as refused:
        where.wrong(str(refused))
        return
    try:
        build_value(patch.apply_to, value, strict=True)
    except ValueRefused as refused:
        where.warn(str(refused))

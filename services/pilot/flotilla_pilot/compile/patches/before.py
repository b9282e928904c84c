"""Filters of before Istio 1.3 as patches: each is inserted into the chains that its listenerMatch means."""

from collections.abc import Iterable
from typing import Any

from flotilla_pilot.compile.patches.matching import MANAGER
from flotilla_pilot.compile.patches.patch import Kind, Operation, Patch, Where
from flotilla_pilot.model.references import reference
from flotilla_protos.istio.networking.v1alpha3.envoy_filter_pb2 import EnvoyFilter
from flotilla_shared.model.envoy_filters_before import build_filter
from flotilla_shared.model.envoy_values import ValueRefused
from flotilla_shared.model.objects import ConfigObject, Problem

_Filter, _Position, _Match = EnvoyFilter.Filter, EnvoyFilter.InsertPosition, EnvoyFilter.DeprecatedListenerMatch
_OPERATIONS = {
    _Position.FIRST: Operation.INSERT_FIRST,
    _Position.LAST: Operation.ADD,
    _Position.BEFORE: Operation.INSERT_BEFORE,
    _Position.AFTER: Operation.INSERT_AFTER,
}


def read_before(item: ConfigObject) -> tuple[list[Patch], list[Problem]]:
    """The patches that the object's `filters` are, and what is wrong with the others."""
    patches: list[Patch] = []
    problems: list[Problem] = []
    for index, stated in enumerate(item.spec.filters):
        base = f"spec.filters[{index}]"
        fault = next(iter(_faults(stated)), None)
        if fault is not None:
            problems.append(Problem(fault[0], f"{base}.{fault[1]}", fault[2]))
            continue
        try:
            patches.append(_patch(item, index, stated))
        except ValueRefused as refused:
            problems.append(Problem("wrong-value", f"{base}.filterConfig", str(refused)))
    return patches, problems


def _faults(stated: Any) -> Iterable[tuple[str, str, str]]:
    if stated.filter_type not in (_Filter.HTTP, _Filter.NETWORK):
        yield "invalid", "filterType", "it must be HTTP or NETWORK"
    if stated.listener_match.port_name_prefix:
        text = "listeners do not say how ports are called; state listenerMatch.portNumber"
        yield "not-offered", "listenerMatch.portNamePrefix", text
    position = stated.insert_position
    if position.index in (_Position.BEFORE, _Position.AFTER) and not position.relative_to:
        yield "invalid", "insertPosition.relativeTo", "it is missing; name the filter beside which this one is to be"


def _patch(item: ConfigObject, index: int, stated: Any) -> Patch:
    http = stated.filter_type == _Filter.HTTP
    context = _Match.ListenerType.Name(stated.listener_match.listener_type)
    match = EnvoyFilter.EnvoyConfigObjectMatch(context=context)
    match.listener.port_number = stated.listener_match.port_number
    beside = stated.insert_position.relative_to
    if http and beside:
        match.listener.filter_chain.filter.name = MANAGER
        match.listener.filter_chain.filter.sub_filter.name = beside
    elif beside:
        match.listener.filter_chain.filter.name = beside
    return Patch(
        reference=reference(item),
        index=index,
        apply_to=Kind.HTTP_FILTER if http else Kind.NETWORK_FILTER,
        operation=_OPERATIONS[stated.insert_position.index],
        match=match,
        value=build_filter(stated),
        where=Where(tuple(stated.listener_match.address), _speaks_http(stated.listener_match.listener_protocol)),
    )


def _speaks_http(protocol: int) -> bool | None:
    return None if protocol == _Match.ALL else protocol == _Match.HTTP

"""Patches of a listener, from the outside in: itself, its listener filters, filter chains, and the filters in them."""

from collections.abc import Iterator
from typing import Any

from flotilla_pilot.compile.patches import managers
from flotilla_pilot.compile.patches.filters import change_filters, place_filters
from flotilla_pilot.compile.patches.matching import (
    MANAGER,
    is_named,
    listener_filter_name,
    matches_chain,
    matches_listener,
    network_filter_name,
)
from flotilla_pilot.compile.patches.patch import Kind, Operation, Patch
from flotilla_pilot.compile.patches.transport import merge_with_socket
from flotilla_pilot.compile.patches.turn import Turn
from flotilla_shared.model.envoy_merge import merge


def patch_listener(listener: Any, turn: Turn) -> bool:
    """Change `listener` in place; False if it is to be removed. Raises PatchRefused."""
    for patch in turn.of(Kind.LISTENER):
        if patch.operation == Operation.ADD or not matches_listener(listener, patch):
            continue
        turn.took(patch)
        if patch.operation == Operation.REMOVE:
            return False
        if patch.merges:
            merge(listener, patch.value, replace_lists=patch.replaces_lists)
        elif patch.operation == Operation.REPLACE:
            listener.CopyFrom(patch.value)
    _patch_listener_filters(listener, turn)
    _patch_chains(listener, turn)
    return True


def _patch_listener_filters(listener: Any, turn: Turn) -> None:
    """One by one, so that a later patch meets what an earlier one put there."""
    for patch in turn.of(Kind.LISTENER_FILTER):
        if not matches_listener(listener, patch):
            continue
        if listener_filter_name(patch) is not None:
            turn.took_all(change_filters(listener.listener_filters, (patch,), listener_filter_name))
        turn.took_all(place_filters(listener.listener_filters, (patch,), listener_filter_name))


def _patch_chains(listener: Any, turn: Turn) -> None:
    kept = [chain for chain in listener.filter_chains if _patch_chain(listener, chain, turn)]
    if len(kept) < len(listener.filter_chains):
        del listener.filter_chains[:]
        listener.filter_chains.extend(kept)
    if listener.HasField("default_filter_chain") and not _patch_chain(listener, listener.default_filter_chain, turn):
        listener.ClearField("default_filter_chain")
    for patch in turn.of(Kind.FILTER_CHAIN):
        if patch.operation == Operation.ADD and matches_listener(listener, patch):
            listener.filter_chains.append(patch.value)
            turn.took(patch)


def _patch_chain(listener: Any, chain: Any, turn: Turn) -> bool:
    """Change one chain; False if it is to be removed. A chain without filters is left alone."""
    if not chain.filters:
        return True
    for patch in _inside(Kind.FILTER_CHAIN, listener, chain, turn):
        if patch.operation == Operation.REMOVE:
            turn.took(patch)
            return False
        if patch.merges:
            merge_with_socket(chain, patch)
            turn.took(patch)
        elif patch.operation == Operation.REPLACE:
            chain.CopyFrom(patch.value)
            turn.took(patch)
    _patch_network_filters(listener, chain, turn)
    return True


def _patch_network_filters(listener: Any, chain: Any, turn: Turn) -> None:
    patches = tuple(_inside(Kind.NETWORK_FILTER, listener, chain, turn))
    turn.took_all(change_filters(chain.filters, patches, network_filter_name))
    for each in chain.filters:
        if each.name == MANAGER:
            managers.patch_manager(each, _of_manager(listener, chain, turn), turn)
    turn.took_all(place_filters(chain.filters, patches, network_filter_name))


def _of_manager(listener: Any, chain: Any, turn: Turn) -> tuple[Patch, ...]:
    """The patches of HTTP filters in the chain's connection manager."""
    patches = _inside(Kind.HTTP_FILTER, listener, chain, turn)
    return tuple(each for each in patches if is_named(network_filter_name(each) or MANAGER, MANAGER))


def _inside(kind: int, listener: Any, chain: Any, turn: Turn) -> Iterator[Patch]:
    for patch in turn.of(kind):
        if matches_listener(listener, patch) and matches_chain(listener, chain, patch):
            yield patch

"""Patches of a route table: itself, its virtual hosts, and their routes."""

from typing import Any

from flotilla_pilot.compile.patches.patch import Kind, Operation, Patch
from flotilla_pilot.compile.patches.places import place
from flotilla_pilot.compile.patches.route_matching import has_route_match, matches_host, matches_route, matches_table
from flotilla_pilot.compile.patches.turn import Turn
from flotilla_shared.model.envoy_merge import merge


def patch_table(table: Any, turn: Turn) -> None:
    """Change a route table in place. Tables themselves are only merged: which there are, listeners say."""
    name = table.name
    for patch in _within(Kind.ROUTE_CONFIGURATION, name, turn):
        if patch.merges:
            merge(table, patch.value, replace_lists=patch.replaces_lists)
            turn.took(patch)
    kept = [host for host in table.virtual_hosts if _patch_host(host, name, turn)]
    if len(kept) < len(table.virtual_hosts):
        del table.virtual_hosts[:]
        table.virtual_hosts.extend(kept)
    for patch in _within(Kind.VIRTUAL_HOST, name, turn):
        if patch.operation == Operation.ADD:
            table.virtual_hosts.append(patch.value)
            turn.took(patch)


def _within(kind: int, name: str, turn: Turn) -> list[Patch]:
    return [each for each in turn.of(kind) if matches_table(name, each, turn.context, turn.ports)]


def _patch_host(host: Any, name: str, turn: Turn) -> bool:
    """Change one virtual host; False if it is to be removed."""
    for patch in _within(Kind.VIRTUAL_HOST, name, turn):
        if patch.operation == Operation.ADD or not matches_host(host, patch):
            continue
        turn.took(patch)
        if patch.operation == Operation.REMOVE:
            return False
        if patch.merges:
            merge(host, patch.value, replace_lists=patch.replaces_lists)
        elif patch.operation == Operation.REPLACE:
            host.CopyFrom(patch.value)
    _patch_routes(host, name, turn)
    return True


def _patch_routes(host: Any, name: str, turn: Turn) -> None:
    patches = [each for each in _within(Kind.HTTP_ROUTE, name, turn) if matches_host(host, each)]
    kept = [route for route in host.routes if _patch_route(route, patches, turn)]
    if len(kept) < len(host.routes):
        del host.routes[:]
        host.routes.extend(kept)
    for patch in patches:
        if patch.operation != Operation.REPLACE and place(host.routes, patch.operation, patch.value, _finder(patch)):
            turn.took(patch)


def _finder(patch: Patch) -> Any:
    return (lambda route: matches_route(route, patch)) if has_route_match(patch) else None


def _patch_route(route: Any, patches: list[Patch], turn: Turn) -> bool:
    for patch in patches:
        if not matches_route(route, patch):
            continue
        if patch.operation == Operation.REMOVE:
            turn.took(patch)
            return False
        if patch.merges:
            merge(route, patch.value, replace_lists=patch.replaces_lists)
            turn.took(patch)
        elif patch.operation == Operation.REPLACE and has_route_match(patch):
            route.CopyFrom(patch.value)
            turn.took(patch)
    return True

"""Patches inside an HTTP connection manager: its filters, and the route table that is written into it."""

from typing import Any

from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)

from flotilla_pilot.compile.packing import serialized
from flotilla_pilot.compile.patches.filters import change_filters, place_filters
from flotilla_pilot.compile.patches.matching import http_filter_name
from flotilla_pilot.compile.patches.patch import Kind, Operation, Patch
from flotilla_pilot.compile.patches.routes import patch_table
from flotilla_pilot.compile.patches.turn import Turn

_TABLES = (Kind.ROUTE_CONFIGURATION, Kind.VIRTUAL_HOST, Kind.HTTP_ROUTE)


def patch_manager(held: Any, patches: tuple[Patch, ...], turn: Turn) -> None:
    """Change the manager packed in the network filter `held`. Raises PatchRefused."""
    if not (patches or any(each.apply_to in (*_TABLES, Kind.EXTENSION_CONFIG) for each in turn.patches)):
        return
    manager = HttpConnectionManager()
    if not held.typed_config.Unpack(manager):
        return
    turn.took_all(change_filters(manager.http_filters, patches, http_filter_name))
    turn.took_all(place_filters(manager.http_filters, patches, http_filter_name))
    _settle_extensions(manager, turn)
    if manager.HasField("route_config"):
        patch_table(manager.route_config, turn)
    held.typed_config.value = serialized(manager)


def _settle_extensions(manager: Any, turn: Turn) -> None:
    """A filter whose configuration is to be discovered gets the one that an EXTENSION_CONFIG of its name adds."""
    discovered = [each for each in manager.http_filters if each.HasField("config_discovery")]
    if not discovered:
        return
    configs = {each.value.name: each for each in turn.of(Kind.EXTENSION_CONFIG) if each.operation == Operation.ADD}
    for each in discovered:
        patch = configs.get(each.name)
        if patch is not None:
            each.typed_config.CopyFrom(patch.value.typed_config)
            turn.took(patch)

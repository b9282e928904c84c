"""What EnvoyFilters say of the bootstrap, laid over the agent's own. Pure.

Envoy's messages are loaded when the first patch is there: few meshes have any.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from flotilla_agent.bootstrap.bootstrap import ADS_CLUSTER, Json
from flotilla_agent.bootstrap.secrets import SDS_CLUSTER
from flotilla_shared.model.envoy_merge import merge
from flotilla_shared.model.envoy_values import ValueRefused, find_message, load_types, settle

BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap"
WAYS = (ADS_CLUSTER, SDS_CLUSTER)
_NAMED = (
    ("static_resources", "clusters"),
    ("static_resources", "listeners"),
    ("layered_runtime", "layers"),
    ("overload_manager", "resource_monitors"),
)
"""Lists in which Envoy takes a name once."""


class PatchRefused(ValueError):
    """The patch is no bootstrap; the text says why."""


def patched(own: Json, patch: bytes) -> Json:
    """`own` with what the Bootstrap message `patch` states: what the user states counts, lists are joined, and of two
    parts of one name his is taken. What ties Envoy to Pilot and to this agent stays. Raises PatchRefused.
    """
    try:
        stated = find_message(BOOTSTRAP).FromString(patch)
        settle(stated)
        _keep_ours(stated)
        load_types(own)
        made = json_format.ParseDict(own, find_message(BOOTSTRAP)())
        _give_way(made, stated)
        merge(made, stated)
        found: Json = json_format.MessageToDict(made, preserving_proto_field_name=True)
    except (ValueRefused, DecodeError, json_format.Error, TypeError) as error:
        raise PatchRefused(str(error)) from error
    return found


def _keep_ours(stated: Any) -> None:
    """Who the proxy is, where its configuration comes from and where the agent asks it are not the patch's to say."""
    stated.ClearField("node")
    stated.ClearField("dynamic_resources")
    stated.admin.ClearField("address")
    _drop(stated.static_resources.clusters, set(WAYS))


def _give_way(made: Any, stated: Any) -> None:
    for holder, name in _NAMED:
        names = {each.name for each in getattr(getattr(stated, holder), name)}
        _drop(getattr(getattr(made, holder), name), names)


def _drop(held: Any, names: set[str]) -> None:
    kept = [each for each in held if each.name not in names]
    if len(kept) < len(held):
        del held[:]
        held.extend(kept)

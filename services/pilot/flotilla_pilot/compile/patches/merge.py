"""MERGE of packed messages."""

from google.protobuf.any_pb2 import Any as Packed

from flotilla_pilot.compile.packing import serialized
from flotilla_pilot.compile.patches.patch import PatchRefused
from flotilla_shared.model.envoy_merge import merge
from flotilla_shared.model.envoy_values import ValueRefused, find_message


def merge_packed(into: Packed, given: Packed, *, replace_lists: bool = False) -> None:
    """The messages inside are merged. Raises PatchRefused where they are of two types."""
    name, other = (each.type_url.rpartition("/")[2] for each in (into, given))
    if name != other:
        raise PatchRefused(f"it is of type {other}, and what it is to be merged into of {name}")
    try:
        kind = find_message(name)
    except ValueRefused as refused:
        raise PatchRefused(str(refused)) from refused
    base = kind.FromString(into.value)
    merge(base, kind.FromString(given.value), replace_lists=replace_lists)
    into.value = serialized(base)

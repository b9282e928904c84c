"""The values of EnvoyFilter patches: Envoy's own messages, written as plain data.

The messages come from the library xds-protos, which is loaded when the first value is read: Galley and Pilot bring
it, nobody else needs it.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf import json_format, symbol_database
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import DecodeError, Message
from google.protobuf.struct_pb2 import Struct

from flotilla_protos.istio.networking.v1alpha3.envoy_filter_pb2 import EnvoyFilter

ApplyTo = EnvoyFilter.ApplyTo

_FAMILIES = ("envoy", "udpa", "xds")
_TYPE_NAME = re.compile(r"[A-Za-z0-9_.]+\Z")
_OLD = re.compile(r"envoy\..*\bv[12](alpha\d*)?\.")
"""Types of the second version of Envoy's API: the library has them, Envoy refuses them since 1.18."""

_MESSAGES: dict[int, str] = {
    EnvoyFilter.LISTENER: "envoy.config.listener.v3.Listener",
    EnvoyFilter.FILTER_CHAIN: "envoy.config.listener.v3.FilterChain",
    EnvoyFilter.NETWORK_FILTER: "envoy.config.listener.v3.Filter",
    EnvoyFilter.HTTP_FILTER: "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
    EnvoyFilter.ROUTE_CONFIGURATION: "envoy.config.route.v3.RouteConfiguration",
    EnvoyFilter.VIRTUAL_HOST: "envoy.config.route.v3.VirtualHost",
    EnvoyFilter.HTTP_ROUTE: "envoy.config.route.v3.Route",
    EnvoyFilter.CLUSTER: "envoy.config.cluster.v3.Cluster",
    EnvoyFilter.EXTENSION_CONFIG: "envoy.config.core.v3.TypedExtensionConfig",
    EnvoyFilter.BOOTSTRAP: "envoy.config.bootstrap.v3.Bootstrap",
    EnvoyFilter.LISTENER_FILTER: "envoy.config.listener.v3.ListenerFilter",
}


class ValueRefused(ValueError):
    """The value is not the message that it is to be; the text says where and why."""


def message_name(apply_to: int) -> str:
    """The full name of the message that patches of this kind carry; empty if the kind is unknown."""
    return _MESSAGES.get(apply_to, "")


def build_value(apply_to: int, value: Struct, *, strict: bool = False) -> Message:
    """The message that `value` writes in JSON's form, as for `message_name`. Equal values are equal bytes.

    `strict` refuses fields that the message has not, which are skipped otherwise. Raises ValueRefused.
    """
    made: Message = find_message(message_name(apply_to))()
    try:
        plain = json_format.MessageToDict(value)
        load_types(plain)
        json_format.ParseDict(plain, made, ignore_unknown_fields=not strict)
        settle(made)
    except (json_format.Error, DecodeError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueRefused(str(error)) from error
    return made


def is_of_old_api(name: str) -> bool:
    """Whether a type is of a version of its API that Envoy has no longer."""
    return bool(_OLD.match(name))


@cache
def find_message(name: str) -> Any:
    """The class of a message by its full name, its package being loaded first. Raises ValueRefused."""
    if is_of_old_api(name):
        raise ValueRefused(f"{name!r} is of Envoy's API v2, which Envoy has no longer; write the type of v3")
    package, _, _ = name.rpartition(".")
    if _TYPE_NAME.match(name) and package.partition(".")[0] in _FAMILIES:
        _load(package)
    try:
        return symbol_database.Default().GetSymbol(name)
    except KeyError:
        text = f"{name!r} is no type that Envoy has; wrap a type of another build of Envoy in a TypedStruct"
        raise ValueRefused(text) from None


def _load(package: str) -> None:
    """Load every message of a package; a package that is not there has none."""
    try:
        loaded = importlib.import_module(package)
    except ImportError:
        return
    for module in pkgutil.iter_modules(loaded.__path__):
        if module.name.endswith("_pb2"):
            importlib.import_module(f"{package}.{module.name}")


def load_types(value: Any) -> None:
    """Make the types known to protobuf that are packed in plain data. Raises ValueRefused for one that Envoy has not."""
    for name in _packed_types(value):
        find_message(name)


def _packed_types(value: Any) -> Iterator[str]:
    """The names of all types that are packed in `value`, at any depth, but for those of protobuf itself."""
    if isinstance(value, dict):
        name = str(value.get("@type", "")).rpartition("/")[2]
        if name and not name.startswith("google.protobuf."):
            yield name
        for each in value.values():
            yield from _packed_types(each)
    elif isinstance(value, list):
        for each in value:
            yield from _packed_types(each)


def settle(message: Any) -> None:
    """Write every packed message anew, maps in order: what was packed by the reader of JSON has them in any.

    Their types are known to protobuf afterwards. Raises ValueRefused for one that Envoy has not.
    """
    if isinstance(message, Packed):
        if not message.type_url:
            return
        inner = find_message(message.type_url.rpartition("/")[2]).FromString(message.value)
        settle(inner)
        message.value = inner.SerializeToString(deterministic=True)
        return
    for field, value in message.ListFields():
        for each in _messages(field, value):
            settle(each)


def _messages(field: Any, value: Any) -> list[Any]:
    if field.message_type is None:
        return []
    if field.message_type.GetOptions().map_entry:
        plain = field.message_type.fields_by_name["value"].message_type is None
        return [] if plain else [value[key] for key in value]
    return list(value) if field.is_repeated else [value]

"""Values of EnvoyFilter patches become Envoy's messages."""

from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from flotilla_protos.istio.networking.v1alpha3.envoy_filter_pb2 import EnvoyFilter
from flotilla_shared.model.envoy_values import ValueRefused, build_value, find_message, message_name

LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"


def struct(value: dict[str, Any]) -> Struct:
    made = Struct()
    made.update(value)
    return made


def lua(**fields: Any) -> Struct:
    return struct({"name": "lua", "typed_config": {"@type": LUA, **fields}})


@pytest.mark.parametrize("kind", [each for each in EnvoyFilter.ApplyTo.values() if each != EnvoyFilter.INVALID])
def test_every_kind_has_its_message(kind: int) -> None:
    assert build_value(kind, Struct()).DESCRIPTOR.full_name == message_name(kind)


def test_both_ways_to_write_a_field() -> None:
    made = [build_value(EnvoyFilter.CLUSTER, struct({name: "0.25s"})) for name in ("connect_timeout", "connectTimeout")]
    assert made[0] == made[1]
    assert made[0].connect_timeout.nanos == 250_000_000  # type: ignore[attr-defined]


def test_a_packed_type_is_loaded_when_it_is_met() -> None:
    made: Any = build_value(EnvoyFilter.HTTP_FILTER, lua(default_source_code={"inline_string": "-- x"}))
    inner = find_message("envoy.extensions.filters.http.lua.v3.Lua").FromString(made.typed_config.value)
    assert inner.default_source_code.inline_string == "-- x"


@pytest.mark.parametrize("packed", [{}, {"@type": "type.googleapis.com/google.protobuf.Empty", "value": {}}])
def test_what_is_packed_may_be_nothing(packed: dict[str, Any]) -> None:
    made: Any = build_value(EnvoyFilter.NETWORK_FILTER, struct({"name": "x", "typed_config": packed}))
    assert made.HasField("typed_config")
    assert made.typed_config.value == b""


def test_equal_values_are_equal_bytes_in_whatever_order() -> None:
    codes = {f"{number}.lua": {"inline_string": f"-- {number}"} for number in range(20)}
    made = [
        build_value(EnvoyFilter.HTTP_FILTER, lua(source_codes=dict(sorted(codes.items(), reverse=each))))
        for each in (False, True)
    ]
    assert made[0].SerializeToString() == made[1].SerializeToString()


def test_a_field_of_a_newer_envoy_is_refused_only_on_request() -> None:
    value = struct({"name": "a", "colour": "red"})
    assert build_value(EnvoyFilter.CLUSTER, value).name == "a"  # type: ignore[attr-defined]
    with pytest.raises(ValueRefused, match="colour"):
        build_value(EnvoyFilter.CLUSTER, value, strict=True)


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (EnvoyFilter.CLUSTER, {"connect_timeout": "soon"}, "connect_timeout"),
        (EnvoyFilter.CLUSTER, {"name": ["a"]}, "name"),
        (EnvoyFilter.HTTP_FILTER, {"typed_config": {"@type": "x/os.path"}}, "no type that Envoy has"),
        (EnvoyFilter.HTTP_FILTER, {"typed_config": {"@type": "x/envoy..a"}}, "no type that Envoy has"),
        (EnvoyFilter.HTTP_FILTER, {"typed_config": {"@type": LUA.replace("v3", "v9")}}, "no type that Envoy has"),
        (EnvoyFilter.HTTP_FILTER, {"typed_config": {"@type": "x/envoy.api.v2.Cluster"}}, "write the type of v3"),
        (EnvoyFilter.INVALID, {}, "no type that Envoy has"),
    ],
)
def test_what_is_no_such_message(kind: int, value: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueRefused, match=words):
        build_value(kind, struct(value))

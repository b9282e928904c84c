"""From data to messages: both spellings of names, every type, and the path of each mistake."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from flotilla_galley.validation.durations import Wrong, parse_duration
from flotilla_galley.validation.validate import decode
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import DestinationRule
from flotilla_protos.istio.networking.v1alpha3.envoy_filter_pb2 import EnvoyFilter
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import VirtualService
from flotilla_protos.istio.policy.v1beta1.cfg_pb2 import Handler
from flotilla_protos.istio.security.v1beta1.peer_authentication_pb2 import PeerAuthentication
from flotilla_shared.model.kinds import KINDS

ROUTE = {"destination": {"host": "r", "subset": "v1", "port": {"number": 80}}, "weight": 90}
GOOD: list[tuple[Any, dict[str, Any]]] = [
    (VirtualService, {"hosts": ["a"], "http": [{"route": [ROUTE], "timeout": "1.5s", "retries": {"attempts": 3}}]}),
    (VirtualService, {"http": [{"match": [{"headers": {"x": {"exact": "y"}}, "ignoreUriCase": True}]}]}),
    (VirtualService, {"exportTo": ["."], "export_to": ["*"]}),
    (DestinationRule, {"trafficPolicy": {"loadBalancer": {"simple": "ROUND_ROBIN"}, "tls": {"mode": 3}}}),
    (DestinationRule, {"trafficPolicy": {"outlierDetection": {"consecutive5xxErrors": 7, "interval": "1m30s"}}}),
    (PeerAuthentication, {"portLevelMtls": {"8080": {"mode": "DISABLE"}}}),
    (EnvoyFilter, {"configPatches": [{"patch": {"operation": "MERGE", "value": {"a": [1, "b", None, {"c": True}]}}}]}),
    (MeshConfig, {"defaultConfig": {"concurrency": 2}, "enableAutoMtls": True, "mixerCheckServer": "m:9091"}),
    (Handler, {"name": "h", "params": {"any": {"thing": 1}}}),
]


@pytest.mark.parametrize(("kind", "value"), GOOD)
def test_what_is_right_is_what_protobuf_itself_reads(kind: Any, value: dict[str, Any]) -> None:
    message = kind()
    assert decode(message, value) == []
    readable = {k: v for k, v in value.items() if k != "export_to"}
    if "export_to" not in value and "1m30s" not in str(value):
        assert message == json_format.ParseDict(readable, kind())
    assert message.SerializeToString() != b""


WRONG: list[tuple[Any, dict[str, Any], str, str]] = [
    (VirtualService, {"hosts": "a"}, "spec.hosts", "must stand; begin items with a dash"),
    (VirtualService, {"hosts": [1]}, "spec.hosts[0]", "put it in quotes"),
    (VirtualService, {"hosts": [None]}, "spec.hosts[0]", "is empty"),
    (VirtualService, {"http": [{"route": [{"weight": "many"}]}]}, "spec.http[0].route[0].weight", "no whole number"),
    (VirtualService, {"http": [{"route": [{"weight": 1.5}]}]}, "spec.http[0].route[0].weight", "no whole number"),
    (VirtualService, {"http": [{"route": [{"weight": True}]}]}, "spec.http[0].route[0].weight", "no whole number"),
    (VirtualService, {"http": [{"route": [{"weight": 2**40}]}]}, "spec.http[0].route[0].weight", "outside of"),
    (VirtualService, {"http": [{"timeout": 5}]}, "spec.http[0].timeout", "is no duration"),
    (VirtualService, {"http": [{"timeout": "5"}]}, "spec.http[0].timeout", "is no duration"),
    (VirtualService, {"http": ["x"]}, "spec.http[0]", "mapping of fields"),
    (VirtualService, {"http": [{"match": [{"headers": ["x"]}]}]}, "spec.http[0].match[0].headers", "must stand"),
    (
        VirtualService,
        {"http": [{"match": [{"uri": {"exact": "a", "prefix": "b"}}]}]},
        "spec.http[0].match[0].uri.prefix",
        "exclude each other",
    ),
    (DestinationRule, {"trafficPolicy": {"tls": {"mode": "STRICT"}}}, "spec.trafficPolicy.tls.mode", "none of DISABLE"),
    (DestinationRule, {"trafficPolicy": {"tls": {"mode": 99}}}, "spec.trafficPolicy.tls.mode", "none of"),
    (PeerAuthentication, {"portLevelMtls": {"http": {}}}, "spec.portLevelMtls.http", "no whole number"),
    (PeerAuthentication, {"portLevelMtls": {"80": {"mode": "X"}}}, "spec.portLevelMtls.80.mode", "none of"),
    (EnvoyFilter, {"configPatches": [{"patch": {"value": [1]}}]}, "spec.configPatches[0].patch.value", "mapping"),
    (MeshConfig, {"enableAutoMtls": "yes"}, "spec.enableAutoMtls", "neither true nor false"),
    (MeshConfig, {"defaultConfig": {"concurrency": "x"}}, "spec.defaultConfig.concurrency", "no whole number"),
]


@pytest.mark.parametrize(("kind", "value", "path", "words"), WRONG)
def test_what_is_wrong_is_told_with_its_path(kind: Any, value: dict[str, Any], path: str, words: str) -> None:
    (problem,) = decode(kind(), value)
    assert (problem.field, problem.severity) == (path, "error")
    assert words in problem.text


@pytest.mark.parametrize(
    ("name", "hint"), [("timeot", "did you mean timeout?"), ("rewriet", "did you mean rewrite?"), ("zzz", "has name")]
)
def test_unknown_fields_are_warnings_with_the_nearest_name(name: str, hint: str) -> None:
    (problem,) = decode(VirtualService(), {"http": [{name: 1}]})
    assert (problem.code, problem.severity, problem.field) == ("unknown-field", "warning", f"spec.http[0].{name}")
    assert hint in problem.text


def test_unknown_fields_may_be_errors() -> None:
    (problem,) = decode(Handler(), {"nmae": "h"}, "error")
    assert problem.severity == "error"


def test_one_mistake_does_not_hide_another() -> None:
    found = decode(VirtualService(), {"hosts": [1, "ok", 2], "http": [{"timeout": "x", "weight": 1}]})
    assert [problem.field for problem in found] == [
        "spec.hosts[0]",
        "spec.hosts[2]",
        "spec.http[0].timeout",
        "spec.http[0].weight",
    ]


DURATIONS = [
    ("5s", 5 * 10**9),
    ("1.5s", 1_500_000_000),
    ("1h30m", 5400 * 10**9),
    ("100ms", 100_000_000),
    ("1us", 1000),
    ("1ns", 1),
    ("0", 0),
    ("0s", 0),
    ("-3s", -3 * 10**9),
    ("0.000000001s", 1),
]


@pytest.mark.parametrize(("text", "nanos"), DURATIONS)
def test_durations(text: str, nanos: int) -> None:
    assert parse_duration(text) == nanos


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "5x", "1.2.3s", "--5s", "5s ", "1e3s", "∞s", "9" * 30 + "h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(Wrong):
        parse_duration(text)


@given(st.integers(-(10**17), 10**17))
def test_protobufs_own_notation_is_read(nanos: int) -> None:
    from google.protobuf.duration_pb2 import Duration

    duration = Duration()
    duration.FromNanoseconds(nanos)
    assert abs(parse_duration(duration.ToJsonString()) - nanos) <= abs(nanos) * 1e-15 + 1


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
NAMES = sorted({field.json_name for kind in KINDS for field in kind.message_class().DESCRIPTOR.fields})


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(NAMES), values, max_size=5))
def test_any_data_is_decoded_or_told_never_raised(kind: Any, value: dict[str, Any]) -> None:
    for problem in decode(kind.message_class()(), value):
        assert problem.field.startswith("spec")
        assert problem.text

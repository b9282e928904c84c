"""Bytes on the wire, and what a rejection blames."""

import gc

import pytest
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryResponse, DiscoveryResponse
from hypothesis import given
from hypothesis import strategies as st

from flotilla_pilot.compile.resource import CLUSTER, ENDPOINTS, LISTENER, ROUTES
from flotilla_pilot.delivery import wire
from flotilla_pilot.delivery.verdict import blame
from flotilla_pilot.testing.discovery import resource

resources = st.lists(st.builds(resource, st.just("rds"), st.text(max_size=200), st.text(max_size=300)), max_size=5)


@given(st.text(), st.text(), resources)
def test_state_of_the_world_is_what_protobuf_would_write(version: str, nonce: str, parts: list) -> None:  # type: ignore[type-arg]
    expected = DiscoveryResponse(version_info=version, type_url=ROUTES, nonce=nonce)
    for each in parts:
        expected.resources.add(type_url=ROUTES, value=each.body)
    assert wire.sotw_response(ROUTES, version, nonce, parts) == expected.SerializeToString(deterministic=True)


@given(st.text(), st.text(), resources, st.lists(st.text(min_size=1), max_size=3))
def test_delta_is_what_protobuf_would_write(version: str, nonce: str, parts: list, removed: list[str]) -> None:  # type: ignore[type-arg]
    expected = DeltaDiscoveryResponse(
        system_version_info=version, type_url=ROUTES, nonce=nonce, removed_resources=removed
    )
    for each in parts:
        entry = expected.resources.add(name=each.name, version=each.version)
        entry.resource.type_url, entry.resource.value = ROUTES, each.body
    sent = wire.delta_response(ROUTES, version, nonce, parts, removed)
    assert DeltaDiscoveryResponse.FromString(sent) == expected
    if all(each.name for each in parts):
        assert len(sent) == expected.ByteSize()


def test_parts_are_made_once_and_go_with_their_resource() -> None:
    gc.collect()
    before = len(wire._delta_parts)
    made = resource("rds", "r", "content")
    for _ in range(3):
        wire.delta_response(ROUTES, "v", "n", [made], [])
    assert len(wire._delta_parts) == before + 1
    del made
    gc.collect()
    assert len(wire._delta_parts) == before


@pytest.mark.parametrize(
    ("type_url", "text", "sent", "blamed"),
    [
        (LISTENER, "Error adding/updating listener(s) 0.0.0.0_80: cannot bind", ["0.0.0.0_80", "0.0.0.0_8"], ["0.0.0.0_80"]),
        (LISTENER, "Error adding/updating listener(s) a: no\nb: no\n", ["a", "b", "c"], ["a", "b"]),
        (CLUSTER, "cluster(s) out|80||x: bad, out|80||y: bad", ["out|80||x", "out|80||y", "z"], ["out|80||x", "out|80||y"]),
        (CLUSTER, "Protobuf message too old", ["a", "b"], ["a", "b"]),
        (LISTENER, "listener(s) other_a: no", ["a", "b"], ["a", "b"]),
        (ROUTES, "80: only two", ["80", "90"], ["80", "90"]),
        (ENDPOINTS, "malformed IP address: x", ["a"], ["a"]),
        (LISTENER, "anything", [], []),
    ],
)  # fmt: skip
def test_blame(type_url: str, text: str, sent: list[str], blamed: list[str]) -> None:
    assert blame(type_url, text, sent) == frozenset(blamed)

"""Finished resources: wire entries equal protobuf's own, and equal inputs give the identical object."""

import gc

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.route.v3.route_components_pb2 import VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse
from google.protobuf.any_pb2 import Any
from google.protobuf.struct_pb2 import Struct

from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.packing import pack, serialized, typed
from flotilla_pilot.compile.resource import CLUSTER, length_delimited, make_resource, wire_part
from flotilla_pilot.compile.virtual_hosts import wire_host
from flotilla_shared.model.objects import ObjectKey

KEY = ObjectKey("collection", "default", "a")


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16383, 16384, 100_000])
def test_the_wire_part_is_what_protobuf_writes(length: int) -> None:
    body = b"x" * length
    response = DiscoveryResponse(resources=[Any(type_url=CLUSTER, value=body)])
    assert wire_part(CLUSTER, body) == response.SerializeToString()


def test_a_response_is_its_parts_joined() -> None:
    bodies = [serialized(Cluster(name=name)) for name in ("a", "b")]
    response = DiscoveryResponse(resources=[Any(type_url=CLUSTER, value=body) for body in bodies])
    assert b"".join(wire_part(CLUSTER, body) for body in bodies) == response.SerializeToString()


def test_a_table_is_its_virtual_hosts_joined() -> None:
    hosts = [VirtualHost(name=f"host-{number}" * 40, domains=["*"]) for number in range(3)]
    table = RouteConfiguration(name="t", virtual_hosts=hosts)
    body = serialized(RouteConfiguration(name="t")) + b"".join(wire_host(host) for host in hosts)
    assert RouteConfiguration.FromString(body) == table


def test_an_empty_field_is_left_out() -> None:
    assert length_delimited(1, b"") == b""


def test_the_version_is_the_bodys() -> None:
    one, same, other = (make_resource(CLUSTER, "n", body, ()) for body in (b"1", b"1", b"2"))
    assert one.version == same.version != other.version


def test_packing_is_deterministic_and_named() -> None:
    struct = Struct()
    struct.update({str(number): number for number in range(50)})
    packed = pack(struct)
    assert packed.type_url == "type.googleapis.com/google.protobuf.Struct"
    assert packed.value == pack(struct).value
    filled = typed(Cluster.CustomClusterType, "x", struct)
    assert (filled.name, filled.typed_config) == ("x", packed)


class TestCache:
    """By input for two generations, by content for as long as somebody holds the object."""

    def test_an_input_is_built_once(self) -> None:
        cache, built = ResourceCache(), []
        for _ in range(3):
            assert cache.get(("k",), lambda: built.append(1) or "made") == "made"
        assert built == [1]

    def test_an_input_outlives_one_generation_without_it(self) -> None:
        cache, built = ResourceCache(), []
        cache.get(("k",), lambda: built.append(1) or "made")
        cache.next_generation()
        cache.get(("k",), lambda: built.append(2) or "made")
        cache.next_generation()
        cache.next_generation()
        cache.get(("k",), lambda: built.append(3) or "made")
        assert built == [1, 3]

    def test_equal_content_is_the_identical_object(self) -> None:
        cache = ResourceCache()
        one = cache.intern(CLUSTER, "n", b"body", [KEY])
        assert cache.intern(CLUSTER, "n", b"body", {KEY}) is one
        assert cache.intern(CLUSTER, "n", b"other", [KEY]) is not one
        assert cache.intern(CLUSTER, "n", b"body", []) is not one
        assert cache.intern(CLUSTER, "m", b"body", [KEY]) is not one

    def test_content_that_nobody_holds_is_forgotten(self) -> None:
        cache = ResourceCache()
        one = cache.intern(CLUSTER, "n", b"body", [])
        assert len(cache._alive) == 1
        del one
        gc.collect()
        assert len(cache._alive) == 0

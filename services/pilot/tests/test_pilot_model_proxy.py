"""A proxy is what its node says, or is refused with a sentence that names the mend."""

from dataclasses import replace

import pytest
from envoy.config.core.v3.base_pb2 import Node

from flotilla_pilot.model.frozen import EMPTY, FrozenMap
from flotilla_pilot.model.proxy import NodeRefused, Proxy
from flotilla_pilot.testing.meshes import make_node

ID = "sidecar~127.0.1.1~productpage-v1.default~default.svc.cluster.local"


def test_the_node_of_one_machine_is_read_whole() -> None:
    node = make_node(
        ID,
        INTERCEPTION_MODE="NONE",
        NAMESPACE="default",
        INSTANCE_IPS="127.0.1.1,127.0.2.1",
        LABELS={"app": "productpage", "version": "v1"},
        SERVICE_ACCOUNT="bookinfo-productpage",
        CLUSTER_ID="Kubernetes",
        NETWORK="net1",
        ISTIO_VERSION="1.32.0",
    )
    node.locality.region, node.locality.zone = "europe", "a"
    assert Proxy.from_node(node) == Proxy(
        node_id=ID,
        kind="sidecar",
        addresses=("127.0.1.1", "127.0.2.1"),
        name="productpage-v1",
        namespace="default",
        labels=FrozenMap({"app": "productpage", "version": "v1"}),
        service_account="bookinfo-productpage",
        interception_mode="NONE",
        network="net1",
        locality="europe/a",
        cluster_id="Kubernetes",
        domain="default.svc.cluster.local",
        metadata=FrozenMap(
            {
                "INTERCEPTION_MODE": "NONE",
                "NAMESPACE": "default",
                "INSTANCE_IPS": "127.0.1.1,127.0.2.1",
                "LABELS": '{"app": "productpage", "version": "v1"}',
                "SERVICE_ACCOUNT": "bookinfo-productpage",
                "CLUSTER_ID": "Kubernetes",
                "NETWORK": "net1",
                "ISTIO_VERSION": "1.32.0",
            }
        ),
    )


def test_a_node_with_nothing_but_its_id_has_istios_defaults() -> None:
    proxy = Proxy.from_node(Node(id="router~10.0.0.9~gate.istio-system~istio-system.svc.cluster.local"))
    assert proxy.kind == "router"
    assert proxy.addresses == ("10.0.0.9",)
    assert (proxy.name, proxy.namespace) == ("gate", "istio-system")
    assert proxy.interception_mode == "REDIRECT"
    assert proxy.labels == EMPTY
    assert proxy.locality == ""


@pytest.mark.parametrize(
    ("address_list", "expected"),
    [
        ("", ("127.0.1.1",)),
        ("10.0.0.1", ("10.0.0.1",)),
        ("10.0.0.1, 10.0.0.2,", ("10.0.0.1", "10.0.0.2")),
        ("fd00::1,10.0.0.1", ("fd00::1", "10.0.0.1")),
    ],
)
def test_instance_addresses_beat_the_address_of_the_id(address_list: str, expected: tuple[str, ...]) -> None:
    assert Proxy.from_node(make_node(ID, INSTANCE_IPS=address_list)).addresses == expected


@pytest.mark.parametrize(
    ("region", "zone", "sub_zone", "expected"),
    [("", "", "", ""), ("r", "", "", "r"), ("r", "z", "", "r/z"), ("r", "z", "s", "r/z/s")],
)
def test_the_locality_is_written_as_users_write_it(region: str, zone: str, sub_zone: str, expected: str) -> None:
    node = make_node(ID)
    node.locality.region, node.locality.zone, node.locality.sub_zone = region, zone, sub_zone
    assert Proxy.from_node(node).locality == expected


@pytest.mark.parametrize(
    ("identity", "metadata", "words"),
    [
        ("", {}, "is not of the form type~ip~name.namespace~domain"),
        ("sidecar~1.1.1.1~a.b", {}, "is not of the form"),
        ("sidecar~1.1.1.1~a.b~c~d", {}, "is not of the form"),
        ("ztunnel~1.1.1.1~a.b~c", {}, "known types are sidecar, router"),
        ("sidecar~1.1.1.1~alone~c", {}, "it must be name.namespace"),
        ("sidecar~1.1.1.1~.b~c", {}, "it must be name.namespace"),
        ("sidecar~1.1.1.1~a.~c", {}, "it must be name.namespace"),
        (ID, {"NAMESPACE": "other"}, "both must name the same"),
        (ID, {"LABELS": "app=a"}, "LABELS that are no object"),
        (ID, {"INTERCEPTION_MODE": "MAYBE"}, "known are REDIRECT, TPROXY, NONE"),
    ],
)
def test_a_node_that_cannot_be_served_is_refused(identity: str, metadata: dict[str, str], words: str) -> None:
    with pytest.raises(NodeRefused, match=words.replace("~", "[~]")) as refused:
        Proxy.from_node(make_node(identity, **metadata))
    assert repr(identity) in str(refused.value) or "third part" in str(refused.value)


def test_a_name_may_have_dots() -> None:
    proxy = Proxy.from_node(make_node("sidecar~1.1.1.1~a.b.c.ns~ns.svc.cluster.local"))
    assert (proxy.name, proxy.namespace) == ("a.b.c", "ns")


def test_a_proxy_is_a_key_of_all_that_it_is() -> None:
    one, other = (Proxy.from_node(make_node(ID, LABELS=labels)) for labels in ({"a": "1"}, {"a": "2"}))
    again = Proxy.from_node(make_node(ID, LABELS={"a": "1"}))
    assert one == again
    assert hash(one) == hash(again)
    assert one != other
    assert len({one, other, again}) == 2
    assert replace(one, namespace="x") != one


class TestFrozenMap:
    """An immutable mapping that may be a key."""

    def test_order_does_not_matter(self) -> None:
        one, other = FrozenMap({"b": "2", "a": "1"}), FrozenMap({"a": "1", "b": "2"})
        assert one == other
        assert hash(one) == hash(other)
        assert list(one) == ["a", "b"]

    def test_it_reads_as_a_mapping(self) -> None:
        held = FrozenMap({"a": "1"})
        assert held["a"] == "1"
        assert held.get("b") is None
        assert len(held) == 1
        assert dict(held) == {"a": "1"}
        assert repr(held) == "FrozenMap({'a': '1'})"

    def test_it_is_no_plain_dict(self) -> None:
        assert FrozenMap({"a": "1"}) != {"a": "1"}
        with pytest.raises(TypeError):
            FrozenMap({"a": "1"})["a"] = "2"  # type: ignore[index]

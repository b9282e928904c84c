"""The normal form in which resources are compared, and what a comparison finds."""

from collections import Counter
from typing import Any

import pytest

from flotilla_pilot.testing.comparison import Comparison, Known, unexplained
from flotilla_pilot.testing.normal_form import NormalForm, Patterns, every_leaf
from flotilla_pilot.testing.recorded import registry_entries, unrecorded_instances

PROXY = {"type": "sidecar", "id": "a.b", "ipAddresses": ["1.1.1.1"], "namespace": "b", "dnsDomain": "b.svc.x"}


def same(left: Any, right: Any, *dropped: str) -> bool:
    form = NormalForm(dropped)
    return form.leaves("kind", left) == form.leaves("kind", right)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("a.*.c", "a.b.c", True),
        ("a.*.c", "a.b.b.c", False),
        ("a.**.c", "a.b.b.c", True),
        ("a.**.c", "a.c", True),
        ("a.**", "a.b.c", True),
        ("**.c", "c", True),
        ("**.c", "a.bc", False),
        ("a.filters[x].c", "a.filters[x].c", True),
        ("a.filters[x].c", "a.filters[y].c", False),
    ],
)
def test_patterns(pattern: str, path: str, expected: bool) -> None:
    assert (path in Patterns([pattern])) is expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ({"domains": ["a", "b"]}, {"domains": ["b", "a"]}, True),
        ({"routes": [{"name": "a"}, {"name": "b"}]}, {"routes": [{"name": "b"}, {"name": "a"}]}, False),
        ({"alpnProtocols": ["a", "b"]}, {"alpnProtocols": ["b", "a"]}, False),
        ({"alpnProtocols": ["a", "a"]}, {"alpnProtocols": ["a"]}, False),
        ({"headers": [{"name": "a"}, {"name": "b"}]}, {"headers": [{"name": "b"}, {"name": "a"}]}, True),
        ({"weight": 1}, {"weight": 1.0}, True),
        ({"weight": 1}, {"weight": "1"}, False),
        ({"ads": {}}, {}, False),
        ({"filterChains": [{"name": "x", "filterChainMatch": {"serverNames": ["a", "b"]}}]},
         {"filterChains": [{"name": "x", "filterChainMatch": {"serverNames": ["b", "a"]}}]}, True),
        ({"matchSubjectAltNames": [{"exact": "spiffe://a"}, {"exact": "a"}]},
         {"matchTypedSubjectAltNames": [{"sanType": "DNS", "matcher": {"exact": "a"}},
                                        {"sanType": "URI", "matcher": {"exact": "spiffe://a"}}]}, True),
        ({"matchSubjectAltNames": [{"exact": "10.0.0.1"}]},
         {"matchTypedSubjectAltNames": [{"sanType": "IP_ADDRESS", "matcher": {"exact": "10.0.0.1"}}]}, True),
        ({"matchSubjectAltNames": [{"exact": "a"}]},
         {"matchTypedSubjectAltNames": [{"sanType": "URI", "matcher": {"exact": "a"}}]}, False),
    ],
)  # fmt: skip
def test_what_is_the_same(left: Any, right: Any, expected: bool) -> None:
    assert same(left, right) is expected


NEWER = {"dnsLookupFamily": "V6_ONLY", "respectDnsTtl": True}


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ({"type": "STRICT_DNS", **NEWER}, NEWER, True),
        ({"type": "LOGICAL_DNS", **NEWER}, {**NEWER, "allAddressesInSingleEndpoint": True}, True),
        ({"type": "LOGICAL_DNS", **NEWER}, NEWER, False),
        ({"type": "STRICT_DNS"}, NEWER, False),
    ],
)
def test_a_cluster_resolved_by_name_may_be_told_in_either_way(left: Any, right: Any, expected: bool) -> None:
    newer = {"clusterType": {"name": "envoy.clusters.dns", "typedConfig": {"@type": "t", **right}}}
    form = NormalForm(())
    assert (form.leaves("clusters", left) == form.leaves("clusters", newer)) is expected


def test_what_is_dropped_is_not_compared_and_nothing_else() -> None:
    left = {"a": {"x": 1}, "b": 1, "httpFilters": [{"name": "envoy.x.stats"}, {"name": "r"}], "d": ["own", "y"]}
    right = {"a": {"x": 2, "y": 3}, "httpFilters": [{"name": "r"}], "d": ["y"]}
    dropped = ("kind.a", "kind.b=1", "kind.httpFilters[stats]", 'kind.d="own"')
    assert same(left, right, *dropped)
    assert not same({**left, "b": 2}, right, *dropped)
    assert not same({**left, "c": 2}, right, *dropped)


def test_every_leaf_tells_where_it_is() -> None:
    found = list(every_leaf("k", {"a": [{"b": 1}, {}], "filters": [{"name": "x.y", "c": []}]}))
    assert sorted(found, key=str) == [
        (("a", 0, "b"), "k.a.b"),
        (("a", 1), "k.a"),
        (("filters", 0, "c"), "k.filters[y].c"),
        (("filters", 0, "name"), "k.filters[y].name"),
    ]


def test_a_comparison_counts_and_tells() -> None:
    expected = {"clusters": {"one": {"name": "one", "a": 1, "m": {"x": 1}}, "two": {"name": "two"}}}
    made = {
        "clusters": {"one": {"name": "one", "a": 2, "m": {"x": 9}}, "three": {"name": "three"}},
        "routes": {"r": {}},
    }
    comparison = Comparison(["clusters.m"])
    found = comparison.compare(expected, made, all_needed=True)
    assert (found.leaves, found.compared) == (4, 3)
    assert [(each.what, each.resource, each.value) for each in found.differences] == [
        ("- clusters.a", "one", "1"),
        ("+ clusters.a", "one", "2"),
        ("+ clusters", "three", ""),
        ("- clusters", "two", ""),
    ]
    fewer = comparison.compare(expected, made, all_needed=False)
    assert [each.resource for each in fewer.differences] == ["one", "one", "three"]
    assert comparison.comparable(expected, made) == [("clusters", "one", ("a",)), ("clusters", "one", ("name",))]


def test_a_known_difference_covers_its_own_alone() -> None:
    expected, made = {"routes": {"r": {"a": 1, "b": 2}}}, {"routes": {"r": {"a": 2, "b": 3}}}
    differences = Comparison([]).compare(expected, made, all_needed=True).differences
    known = [Known("why", ["- routes.a", "+ routes.a"], ["here/*"])]
    used: Counter[str] = Counter()
    assert [each.what for each in unexplained("here/x", differences, known, used)] == ["- routes.b", "+ routes.b"]
    assert used == {"why": 2}
    assert len(unexplained("there/x", differences, known, used)) == 4


def test_what_was_put_into_a_registry_is_declared() -> None:
    service = {"Hostname": "h", "Ports": [{"Name": "p", "Port": 80, "Protocol": "HTTP"}], "Resolution": 1}
    end = {"Addresses": ["2.2.2.2"], "EndpointPort": 8080, "LbWeight": 7, "TLSMode": "istio"}
    given = {
        "services": [service],
        "instances": [{"Service": service, "ServicePort": service["Ports"][0], "Endpoint": end}],
    }
    (entry,) = registry_entries(given, PROXY)
    assert entry["metadata"]["namespace"] == "default"
    assert (entry["spec"]["resolution"], entry["spec"]["ports"][0]["protocol"]) == ("DNS", "HTTP")
    assert entry["spec"]["endpoints"] == [
        {"address": "2.2.2.2", "ports": {"p": 8080}, "labels": {"security.istio.io/tlsMode": "istio"},
         "weight": 7, "locality": ""}
    ]  # fmt: skip


@pytest.mark.parametrize(("port", "number"), [(8080, 1), (9090, 0)])
def test_instances_that_were_not_recorded(port: int, number: int) -> None:
    service = {"Hostname": "h", "Ports": [{"Name": "p", "Port": 80, "Protocol": "HTTP"}]}
    chain = {"filterChainMatch": {"destinationPort": port}}
    case = {"input": {"services": [service]}, "proxy": PROXY, "xds": {"listeners": [{"filterChains": [chain, {}]}]}}
    found = unrecorded_instances(case)
    assert len(found) == number
    namespaces = [entry["metadata"]["namespace"] for entry in registry_entries({"instances": found}, PROXY)]
    assert namespaces == ["default", "b"] * number

"""The agreements: kinds, objects and their versions, hosts, labels, protocols, identities."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_protos.istio.networking.v1alpha3.workload_entry_pb2 import WorkloadEntry
from flotilla_shared.model import hosts, kinds
from flotilla_shared.model.kinds import KINDS, WRITTEN, by_collection, kind_of
from flotilla_shared.model.labels import selects
from flotilla_shared.model.legacy_kinds import LEGACY_PREFIX
from flotilla_shared.model.objects import ConfigObject, Delta, ObjectKey, Problem, content_version
from flotilla_shared.model.protocols import Protocol, parse_protocol, protocol_of_port_name, protocol_of_service_port
from flotilla_shared.model.spiffe import SpiffeId, parse_spiffe, spiffe_id

# kinds


def test_the_table_has_no_doubles() -> None:
    assert len({kind.collection for kind in KINDS}) == len(KINDS)
    assert len({(kind.group, kind.kind) for kind in WRITTEN}) == len(WRITTEN)
    assert len({(kind.group, kind.plural) for kind in WRITTEN}) == len(WRITTEN)


def test_the_kinds_of_1_4() -> None:
    """31 legacy kinds, each in its own collection; what only Galley makes has no custom resources."""
    legacy = [kind for kind in WRITTEN if kind.collection.startswith(LEGACY_PREFIX)]
    assert len(legacy) == 31
    assert {(kind.group, kind.versions, kind.era) for kind in legacy} == {("config.istio.io", ("v1alpha2",), "1.4")}
    assert [kind.collection for kind in KINDS if not kind.written] == [
        kinds.MESH_CONFIG,
        kinds.SYNTHETIC_SERVICE_ENTRIES,
        kinds.NAMESPACES,
        kinds.SERVICES,
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_kind_has_its_message_and_is_found(kind: kinds.Kind) -> None:
    assert kind.message_class()().SerializeToString() == b""
    assert kind.type_url.startswith("type.googleapis.com/")
    assert by_collection(kind.collection) is kind
    named = kind if kind.collection != kinds.SYNTHETIC_SERVICE_ENTRIES else by_collection(kinds.SERVICE_ENTRIES)
    assert kind_of(kind.group, kind.kind) is named
    for version in kind.versions:
        assert kind_of(f"{kind.group}/{version}", kind.kind) is named
    assert kind_of(f"{kind.group}/v99", kind.kind) is None


@pytest.mark.parametrize(
    "collection",
    [
        getattr(kinds, name)
        for name in dir(kinds)
        if name.isupper() and str(getattr(kinds, name)).startswith("istio/") and name != "LEGACY_PREFIX"
    ],
)
def test_every_constant_names_a_collection(collection: str) -> None:
    assert by_collection(collection) is not None


def test_what_there_is_not() -> None:
    assert kind_of("networking.istio.io/v1", "Nothing") is None
    assert by_collection("nothing") is None


# objects

KEY = ObjectKey(kinds.WORKLOAD_ENTRIES, "ns", "name")


@pytest.mark.parametrize(
    ("full", "namespace", "name"), [("ns/a", "ns", "a"), ("a", "", "a"), ("ns/a.b", "ns", "a.b"), ("x/y/z", "x/y", "z")]
)
def test_names_of_keys(full: str, namespace: str, name: str) -> None:
    key = ObjectKey.parse("c", full)
    assert (key.namespace, key.name, key.full_name) == (namespace, name, full)
    assert str(key) == f"c/{full}"


def version(address: str = "1.2.3.4", key: ObjectKey = KEY, **more: object) -> str:
    labels: dict[str, str] = more.get("labels", {})  # type: ignore[assignment]
    annotations: dict[str, str] = more.get("annotations", {})  # type: ignore[assignment]
    created = int(str(more.get("created", 0)))
    return content_version(key, WorkloadEntry(address=address), labels, annotations, created)


def test_a_version_changes_with_anything_that_can_be_seen() -> None:
    versions = [
        version(),
        version("1.2.3.5"),
        version(key=ObjectKey(KEY.collection, "ns", "other")),
        version(labels={"a": "b"}),
        version(annotations={"a": "b"}),
        version(created=1),
    ]
    assert len(set(versions)) == len(versions)
    assert all(len(each) == 12 for each in versions)


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5)), st.text(max_size=20))
def test_a_version_is_the_same_for_the_same_content(labels: dict[str, str], address: str) -> None:
    turned = dict(reversed(list(labels.items())))
    assert version(address, labels=labels) == version(address, labels=turned)


def test_objects_are_equal_by_key_and_version() -> None:
    one = ConfigObject(KEY, "v1", WorkloadEntry(address="a"))
    assert one == ConfigObject(KEY, "v1", None)
    assert one != ConfigObject(KEY, "v2", one.spec)
    assert one != "something else"
    assert len({one, ConfigObject(KEY, "v1", None)}) == 1
    assert Delta("c", "v").full
    assert Problem("c", "f", "t").as_dict()["severity"] == "error"


# hosts

MATCHES = [
    ("*", "a.b", True),
    ("a.b", "*", True),
    ("a.b", "a.b", True),
    ("A.b", "a.B", True),
    ("a.b", "a.c", False),
    ("*.b", "a.b", True),
    ("*.b", "b", False),
    ("*.b", "a.c", False),
    ("*.b.c", "*.c", True),
    ("*.c", "*.b.c", True),
    ("*.b", "*.c", False),
    ("*foo.b", "xfoo.b", True),
]


@pytest.mark.parametrize(("one", "other", "wanted"), MATCHES)
def test_matching(one: str, other: str, wanted: bool) -> None:
    assert hosts.matches(one, other) is wanted
    assert hosts.matches(other, one) is wanted


@pytest.mark.parametrize(
    ("pattern", "host", "wanted"),
    [
        ("*", "a", True),
        ("*.b", "a.b", True),
        ("*.b", "*.a.b", True),
        ("*.a.b", "*.b", False),
        ("a", "*", False),
        ("a", "a", True),
    ],
)
def test_covering(pattern: str, host: str, wanted: bool) -> None:
    assert hosts.covers(pattern, host) is wanted


names = st.text("abc", min_size=1, max_size=3)
host_names = st.lists(names, min_size=1, max_size=3).map(".".join)
patterns = st.one_of(host_names, host_names.map(lambda host: f"*.{host}"), st.just("*"))


@given(patterns, patterns)
def test_what_covers_also_matches_and_exact_names_cover_only_themselves(one: str, other: str) -> None:
    if hosts.covers(one, other):
        assert hosts.matches(one, other)
    assert hosts.covers(one, one)
    if not hosts.is_wildcard(one) and not hosts.is_wildcard(other):
        assert hosts.covers(one, other) == (one == other)


@given(st.lists(patterns, max_size=5), host_names)
def test_the_most_specific_pattern_is_none_that_another_fitting_one_is_inside_of(found: list[str], host: str) -> None:
    best = hosts.most_specific(found, host)
    fitting = [each for each in found if hosts.covers(each, host)]
    assert (best is None) == (not fitting)
    assert best is None or all(hosts.covers(each, best) for each in fitting)


@pytest.mark.parametrize(
    ("host", "namespace", "full"),
    [
        ("reviews", "ns", "reviews.ns.svc.cluster.local"),
        ("reviews.ns", "other", "reviews.ns"),
        ("*", "ns", "*"),
        ("", "ns", ""),
        ("reviews", "", "reviews.svc.cluster.local"),
    ],
)
def test_short_names_are_resolved(host: str, namespace: str, full: str) -> None:
    assert hosts.resolve_short_name(host, namespace) == full


@pytest.mark.parametrize(
    ("fqdn", "short", "local"),
    [
        ("a.ns.svc.cluster.local", ("a.ns.svc", "a.ns"), "a"),
        ("a.other.svc.cluster.local", ("a.other.svc", "a.other"), None),
        ("a.b.c", (), None),
        ("x.a.ns.svc.cluster.local", (), None),
        ("a.ns.svc.cluster.local.more", (), None),
    ],
)
def test_the_other_names_of_a_service(fqdn: str, short: tuple[str, ...], local: str | None) -> None:
    assert hosts.short_names(fqdn) == short
    assert hosts.local_name(fqdn, "ns") == local


# labels, protocols, identities


@pytest.mark.parametrize(
    ("selector", "labels", "wanted"),
    [
        ({}, {}, True),
        ({}, {"a": "b"}, True),
        ({"a": "b"}, {"a": "b", "c": "d"}, True),
        ({"a": "b"}, {"a": "c"}, False),
        ({"a": ""}, {}, False),
    ],
)
def test_selecting(selector: dict[str, str], labels: dict[str, str], wanted: bool) -> None:
    assert selects(selector, labels) is wanted


@pytest.mark.parametrize("protocol", [each for each in Protocol if each is not Protocol.UNSUPPORTED])
def test_protocols_by_their_words(protocol: Protocol) -> None:
    assert parse_protocol(protocol.value.lower()) is protocol
    assert parse_protocol(protocol.value.upper()) is protocol
    assert protocol.is_http + protocol.is_tcp + (protocol is Protocol.UDP) == 1


@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        ("http", Protocol.HTTP),
        ("http-metrics", Protocol.HTTP),
        ("grpc-web", Protocol.GRPC_WEB),
        ("grpc-web-x", Protocol.GRPC_WEB),
        ("grpc-webby", Protocol.GRPC),
        ("GRPC-x", Protocol.GRPC),
        ("https", Protocol.HTTPS),
        ("tcp", Protocol.TCP),
        ("foo", Protocol.UNSUPPORTED),
        ("", Protocol.UNSUPPORTED),
    ],
)
def test_protocols_of_port_names(name: str, protocol: Protocol) -> None:
    assert protocol_of_port_name(name) is protocol


@pytest.mark.parametrize(
    ("name", "app", "number", "protocol"),
    [
        ("foo", "", 3306, Protocol.TCP),
        ("foo", "", 80, Protocol.UNSUPPORTED),
        ("http", "tcp", 80, Protocol.TCP),
        ("tcp", "kubernetes.io/h2c", 80, Protocol.HTTP2),
        ("http", "unheard-of", 80, Protocol.HTTP),
    ],
)
def test_protocols_of_kubernetes_ports(name: str, app: str, number: int, protocol: Protocol) -> None:
    assert protocol_of_service_port(name, app, number) is protocol


def test_classes_of_protocols() -> None:
    assert Protocol.GRPC.is_grpc
    assert Protocol.GRPC.is_http2
    assert Protocol.HTTPS.is_tls
    assert not Protocol.HTTP.is_http2
    assert not Protocol.UNSUPPORTED.is_http


def test_identities() -> None:
    uri = spiffe_id("cluster.local", "ns", "sa")
    assert uri == "spiffe://cluster.local/ns/ns/sa/sa"
    assert parse_spiffe(uri) == SpiffeId("cluster.local", "ns", "sa")
    assert str(parse_spiffe(uri)) == uri
    assert spiffe_id("a@b", "n", "s").startswith("spiffe://a.b/")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "spiffe://",
        "spiffe://td/ns/a",
        "http://td/ns/a/sa/b",
        "spiffe://td/ns//sa/b",
        "spiffe://td/ns/a/sa/b/c",
        "spiffe://td/ns/a/sa/b\n",
        "spiffe://TD/ns/a/sa/b",
    ],
)
def test_what_is_no_identity(text: str) -> None:
    with pytest.raises(ValueError, match="is no identity"):
        parse_spiffe(text)

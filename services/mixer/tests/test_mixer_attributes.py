"""Who reports, who the peer is, what may be claimed; and the bags of Checks and log entries."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from envoy.data.accesslog.v3.accesslog_pb2 import HTTPAccessLogEntry, TCPAccessLogEntry
from envoy.service.auth.v3.attribute_context_pb2 import AttributeContext
from google.protobuf import json_format

from flotilla_mixer.attributes.check import check_bag
from flotilla_mixer.attributes.connections import Change, ConnectionTable
from flotilla_mixer.attributes.http_entry import http_bag
from flotilla_mixer.attributes.parts import put_path
from flotilla_mixer.attributes.tcp_entry import tcp_bags
from flotilla_mixer.attributes.trust import Trust, find_reporter, read_static
from flotilla_mixer.attributes.view import MeshView
from flotilla_shared.model.expressions import VOCABULARY, Duration, Timestamp, ValueType
from flotilla_shared.model.static_attributes import service_attributes

RATINGS, REVIEWS, STRANGER = "127.0.0.1", "127.0.2.4", "127.0.9.9"
ID = "spiffe://cluster.local/ns/default/sa/"
OWN, PEER = f"{ID}ratings", f"{ID}reviews"
STATIC = service_attributes("ratings.default.svc.cluster.local", "default")
OTHERS = service_attributes("reviews.default.svc.cluster.local", "default")


def text(attributes: dict[str, str]) -> str:
    return orjson.dumps(attributes, option=orjson.OPT_SORT_KEYS).decode()


@pytest.fixture
def trust(view: MeshView, metrics: Any) -> Trust:
    """What the workload ratings-v1 is believed."""
    reporter = find_reporter(view, RATINGS, OWN)
    assert reporter is not None
    return Trust(view, reporter, metrics.disbelieve)


REPORTERS = [
    (RATINGS, OWN, "ratings-v1"),
    (REVIEWS, PEER, "reviews-v2"),
    ("127.0.2.5", PEER, "reviews-v3"),
    (RATINGS, PEER, None),  # another's certificate
    (REVIEWS, OWN, None),
    (STRANGER, OWN, None),  # another's address
    (RATINGS, None, None),
    ("", OWN, None),
]


@pytest.mark.parametrize(("address", "identity", "expected"), REPORTERS)
def test_the_reporter_is_who_has_the_address_and_the_certificate(view, address, identity, expected):
    found = find_reporter(view, address, identity)
    assert (found.name if found else None) == expected


PEERS = [
    (REVIEWS, "reviews", "reviews-v2", 0),
    (REVIEWS, "ratings", None, 1),
    (REVIEWS, "", None, 1),  # plaintext: a workload is there, and nobody vouches for it
    (STRANGER, "reviews", None, 0),  # nobody is known there: nothing was claimed
]


@pytest.mark.parametrize(("address", "account", "expected", "dropped"), PEERS)
def test_a_peer_is_believed_by_its_principal(trust, counted, address, account, expected, dropped):
    found = trust.peer(address, f"cluster.local/ns/default/sa/{account}" if account else "")
    assert (found.name if found else None) == expected
    assert counted() == ({"peer": dropped} if dropped else {})
    trust.peer(address, f"cluster.local/ns/default/sa/{account}" if account else "")
    assert counted() == ({"peer": 2 * dropped} if dropped else {}), "what is said again is counted again"


CLAIMS = [
    ("inbound", text(STATIC), STATIC, None),
    ("outbound", text(STATIC), STATIC, None),
    ("outbound", text(OTHERS), OTHERS, None),  # a client calls any service
    ("inbound", text(OTHERS), {}, "service"),  # a server speaks for those that select it
    ("inbound", text(STATIC | {"destination.service.name": "reviews"}), STATIC, "service"),
    ("inbound", text({"destination.service.host": "nobody.example.com"}), {}, "service"),
    ("inbound", text({"destination.service.name": "BlackHoleCluster"}), {}, "service"),
    ("inbound", "", {}, None),
    ("inbound", "{}", {}, None),
    ("outbound", "-", {}, None),
    ("outbound", '{"source.uid":"kubernetes://reviews-v2.default"}', {}, "static"),  # nobody says who he is
    ("outbound", '{"destination.service.name":7}', {}, "static"),
    ("outbound", "[]", {}, "static"),
    ("outbound", "not JSON", {}, "static"),
]


@pytest.mark.parametrize(("direction", "claim", "believed", "dropped"), CLAIMS)
def test_what_may_be_claimed(trust, counted, direction, claim, believed, dropped):
    assert dict(trust.static(claim, direction)) == believed
    assert counted() == ({dropped: 1} if dropped else {})
    assert dict(trust.static(claim, direction)) == believed
    assert counted() == ({dropped: 2} if dropped else {}), "what is said again is counted again"


def test_static_attributes_are_read_once():
    assert read_static(text(STATIC)) is read_static(text(STATIC))


def address(ip: str, port: int = 9080) -> dict[str, Any]:
    return {"socket_address": {"address": ip, "port_value": port}}


CHECK = {
    "source": {"address": address(REVIEWS, 46354), "principal": PEER},
    "destination": {"address": address(RATINGS), "principal": OWN},
    "request": {
        "time": "2026-01-01T00:00:00.000000001Z",
        "http": {
            "method": "GET",
            "path": "/ratings/0?a=1&b=x%20y",
            "host": "ratings:9080",
            "headers": {"user-agent": "curl", "referer": "r", "x-request-id": "7", "x-istio-attributes": "forged"},
        },
    },
    "route_metadata_context": {"filter_metadata": {"flotilla": STATIC}},
    "tls_session": {"sni": "outbound_.9080_._.ratings"},
}


def check(trust: Trust, direction: str = "inbound", static: str = "", **changes: Any) -> dict[str, object]:
    context = json_format.ParseDict(CHECK | changes, AttributeContext())
    return check_bag(context, static, direction, trust)  # type: ignore[arg-type]


def test_a_check_of_a_request(trust: Trust, counted: Any) -> None:
    bag = check(trust)
    expected = {
        "source.principal": "cluster.local/ns/default/sa/reviews",
        "source.user": "cluster.local/ns/default/sa/reviews",
        "source.workload.name": "reviews-v2",
        "source.namespace": "default",
        "source.uid": "kubernetes://reviews-v2.default",
        "source.ip": bytes([127, 0, 2, 4]),
        "destination.principal": "cluster.local/ns/default/sa/ratings",
        "destination.workload.name": "ratings-v1",
        "destination.service.name": "ratings",
        "destination.port": 9080,
        "context.protocol": "http",
        "context.reporter.kind": "inbound",
        "context.reporter.uid": "kubernetes://ratings-v1.default",
        "connection.mtls": True,
        "connection.requested_server_name": "outbound_.9080_._.ratings",
        "request.method": "GET",
        "request.path": "/ratings/0?a=1&b=x%20y",
        "request.url_path": "/ratings/0",
        "request.query_params": {"a": "1", "b": "x y"},
        "request.useragent": "curl",
        "request.referer": "r",
        "request.id": "7",
        "request.scheme": "http",
        "request.time": Timestamp(1767225600_000_000_001),
    }
    assert {name: bag[name] for name in expected} == expected
    assert bag["source.labels"] == {"app": "reviews", "version": "v2"}
    assert "x-istio-attributes" not in bag["request.headers"]  # type: ignore[operator]
    assert counted() == {}


def test_a_check_of_a_connection(trust: Trust) -> None:
    bag = check(trust, static=text(STATIC), request={}, route_metadata_context={})
    assert bag["context.protocol"] == "tcp"
    assert bag["destination.service.name"] == "ratings"
    assert not [name for name in bag if name.startswith("request.")]


def test_on_the_callers_side_the_reporter_is_the_source(trust: Trust) -> None:
    bag = check(trust, "outbound", source={"address": address("10.0.0.9")})
    assert bag["source.workload.name"] == "ratings-v1"
    assert bag["context.reporter.uid"] == "kubernetes://ratings-v1.default"
    assert bag["connection.mtls"] is False
    assert "destination.workload.name" not in bag


def test_a_peer_that_is_not_believed_has_its_principal_and_no_more(trust: Trust, counted: Any) -> None:
    bag = check(trust, source={"address": address(REVIEWS), "principal": OWN})
    assert bag["source.principal"] == "cluster.local/ns/default/sa/ratings"
    assert "source.workload.name" not in bag
    assert counted() == {"peer": 1}


COMMON = {
    "downstream_direct_remote_address": address(REVIEWS, 46354),
    "downstream_remote_address": address("203.0.113.7", 0),
    "downstream_local_address": address(RATINGS),
    "start_time": "2026-01-01T00:00:00Z",
    "duration": "0.25s",
    "stream_id": "a",
    "tls_properties": {
        "local_certificate_properties": {"subject_alt_name": [{"uri": OWN}]},
        "peer_certificate_properties": {"subject_alt_name": [{"dns": "x"}, {"uri": PEER}]},
    },
    "custom_tags": {"route": text(STATIC), "flags": "-"},
}
ENTRY = {
    "common_properties": COMMON,
    "request": {"request_method": "POST", "path": "/r", "authority": "ratings", "request_headers_bytes": "10",
                "request_body_bytes": "5", "user_agent": "curl"},
    "response": {"response_code": 201, "response_headers_bytes": "20", "response_body_bytes": "7"},
}  # fmt: skip


def http(trust: Trust, direction: str = "inbound", common: Any = (), **changes: Any) -> dict[str, object] | None:
    entry = ENTRY | changes | {"common_properties": COMMON | dict(common)}
    return http_bag(json_format.ParseDict(entry, HTTPAccessLogEntry()), direction, trust)  # type: ignore[arg-type]


def test_an_entry_of_the_server(trust: Trust) -> None:
    bag = http(trust)
    assert bag is not None
    expected = {
        "source.workload.name": "reviews-v2",
        "source.ip": bytes([127, 0, 2, 4]),
        "origin.ip": bytes([203, 0, 113, 7]),  # what x-forwarded-for says is the origin and never the source
        "destination.workload.name": "ratings-v1",
        "destination.service.host": "ratings.default.svc.cluster.local",
        "connection.mtls": True,
        "context.protocol": "http",
        "request.method": "POST",
        "request.size": 5,
        "request.total_size": 15,
        "response.code": 201,
        "response.size": 7,
        "response.total_size": 27,
        "response.duration": Duration(250_000_000),
        "response.time": Timestamp(1767225600_250_000_000),
        "check.cache_hit": False,
    }
    assert {name: bag[name] for name in expected} == expected
    assert "context.proxy_error_code" not in bag


def test_an_entry_of_the_client(trust: Trust) -> None:
    tags = {"route": text(STATIC), "cluster": text(OTHERS), "flags": "UF,URX", "local": OWN, "peer": PEER}
    bag = http(
        trust, "outbound", {"custom_tags": tags, "upstream_remote_address": address(REVIEWS), "tls_properties": {}}
    )
    assert bag is not None
    assert bag["source.workload.name"] == "ratings-v1"
    assert bag["destination.workload.name"] == "reviews-v2"
    assert bag["destination.principal"] == "cluster.local/ns/default/sa/reviews"
    assert bag["destination.service.name"] == "reviews", "the cluster that was called is more exact than the route"
    assert bag["context.proxy_error_code"] == "UF,URX"
    assert bag["connection.mtls"] is True


def test_a_client_that_reached_nobody(trust: Trust) -> None:
    bag = http(trust, "outbound", {"tls_properties": {}}, response={})
    assert bag is not None
    assert bag["response.code"] == 0
    assert "destination.ip" not in bag
    assert "destination.workload.name" not in bag


@pytest.mark.parametrize("kind", ["DownstreamStart", "DownstreamPeriodic", "UpstreamEnd"])
def test_an_entry_of_a_request_that_goes_on_is_none(trust: Trust, kind: str) -> None:
    assert http(trust, common={"access_log_type": kind}) is None


SAID = {"check.error_code": 7, "check.error_message": "PERMISSION_DENIED:a.b:c", "check.http_code": 403}


def test_a_denial_is_in_its_entry(trust: Trust) -> None:
    metadata = {"filter_metadata": {"envoy.filters.http.ext_authz": SAID}}
    bag = http(trust, common={"metadata": metadata}, response={"response_code": 403})
    assert bag is not None
    assert (bag["check.error_code"], bag["check.error_message"]) == (7, "PERMISSION_DENIED:a.b:c")
    assert "check.http_code" not in bag


def test_a_denied_grpc_call_has_the_mapped_code_and_its_status(trust: Trust) -> None:
    metadata = {"filter_metadata": {"envoy.filters.http.ext_authz": SAID}}
    bag = http(
        trust,
        common={"metadata": metadata, "custom_tags": {"grpc": "7", "route": text(STATIC)}},
        request={"request_headers": {"content-type": "application/grpc+proto"}},
        response={"response_code": 200, "response_headers": {"grpc-message": "no"}},
    )
    assert bag is not None
    assert (bag["context.protocol"], bag["response.code"]) == ("grpc", 403)
    assert (bag["response.grpc_status"], bag["response.grpc_message"]) == ("7", "no")


def test_every_attribute_of_a_bag_is_of_the_vocabulary_and_of_its_type(trust: Trust) -> None:
    types = {
        ValueType.STRING: str,
        ValueType.INT64: int,
        ValueType.BOOL: bool,
        ValueType.IP_ADDRESS: bytes,
        ValueType.TIMESTAMP: Timestamp,
        ValueType.DURATION: Duration,
    }
    beyond = {"source.port", "origin.port"}
    for bag in (check(trust), http(trust) or {}, *tcp(trust, {})):
        for name, value in bag.items():
            if name not in beyond:
                kind = VOCABULARY[name]
                assert isinstance(value, types.get(kind, object)), (name, value)


# connections


def tcp(
    trust: Trust, common: dict[str, Any], table: ConnectionTable | None = None, began: int = 0, **totals: int
) -> Any:
    entry = {
        "common_properties": COMMON | {"custom_tags": {"listener": text(STATIC)}} | common,
        "connection_properties": {f"{name}_bytes": str(count) for name, count in totals.items()},
    }
    parsed = json_format.ParseDict(entry, TCPAccessLogEntry())
    return tcp_bags(
        parsed, "inbound", trust, ConnectionTable() if table is None else table, stream_began_ns=began, now=0.0
    )


def events(bags: Any) -> list[tuple[str, int, int]]:
    return [(bag["connection.event"], bag["connection.received.bytes"], bag["connection.sent.bytes"]) for bag in bags]


CONNECTED = {
    "access_log_type": "TcpUpstreamConnected",
    "intermediate_log_entry": True,
    "upstream_remote_address": address(RATINGS),
}
PERIODIC = CONNECTED | {"access_log_type": "TcpPeriodic"}
END = {"access_log_type": "TcpConnectionEnd", "upstream_remote_address": address(RATINGS)}
LATE = 1767225600_000_000_000 + 1  # the stream began after the connection

LIVES = [
    ("a whole life", 0, [(CONNECTED, 0, 0), (PERIODIC, 100, 200), (PERIODIC, 100, 200), (END, 150, 300)],
     [("open", 0, 0), ("continue", 100, 200), ("continue", 0, 0), ("close", 50, 100)]),
    ("a short one", 0, [(END, 10, 20)], [("open", 0, 0), ("close", 10, 20)]),
    ("denied before it reached anybody", LATE, [(END | {"upstream_remote_address": {}}, 0, 0)],
     [("open", 0, 0), ("close", 0, 0)]),
    ("its beginning was lost with another Mixer", LATE, [(PERIODIC, 100, 200), (END, 150, 300)],
     [("continue", 0, 0), ("close", 50, 100)]),
    ("all but its end was lost", LATE, [(END, 150, 300)], [("close", 0, 0)]),
    ("the periodic entry came first", 0, [(PERIODIC, 5, 5), (CONNECTED, 5, 5)], [("open", 5, 5), ("continue", 0, 0)]),
    ("lost in between, made up for", 0, [(CONNECTED, 0, 0), (END, 70, 80)], [("open", 0, 0), ("close", 70, 80)]),
]  # fmt: skip


@pytest.mark.parametrize(("began", "entries", "expected"), [pytest.param(*case[1:], id=case[0]) for case in LIVES])
def test_lives_of_connections(trust: Trust, began: int, entries: Any, expected: Any) -> None:
    table, found = ConnectionTable(), []
    for common, received, sent in entries:
        # An empty message must stay unset.
        kept = {name: value for name, value in common.items() if value != {}}
        found += events(tcp(trust, kept, table, began, received=received, sent=sent))
    assert found == expected
    ends = [entry for entry, *_ in entries if "intermediate_log_entry" not in entry]
    assert len(table) == (0 if ends else 1)


def test_a_closed_connection_has_its_duration(trust: Trust) -> None:
    (*_, last) = tcp(trust, END)
    assert last["connection.duration"] == Duration(250_000_000)
    assert last["context.protocol"] == "tcp"
    assert last["destination.service.name"] == "ratings"


def test_the_table_forgets_what_is_silent_and_what_is_too_much() -> None:
    table = ConnectionTable(limit=3, idle_seconds=10)

    def see(name: str, now: float) -> tuple[Change, ...]:
        return table.update(name, 1, 1, ended=False, from_its_start=True, now=now)

    for number in range(3):
        see(str(number), 0.0)
    see("1", 1.0)
    see("3", 2.0)
    assert len(table) == 3
    assert see("1", 2.0)[0].event == "continue"
    assert see("0", 2.0)[0].event == "open", "the least recently heard of was forgotten"
    see("new", 100.0)
    assert len(table) == 1


PATHS = [
    ("/", {"request.path": "/", "request.url_path": "/"}),
    ("/a?", {"request.path": "/a?", "request.url_path": "/a", "request.query_params": {}}),
    ("/a?b", {"request.path": "/a?b", "request.url_path": "/a", "request.query_params": {"b": ""}}),
    ("", {"request.path": "", "request.url_path": ""}),
]


@pytest.mark.parametrize(("path", "expected"), PATHS)
def test_paths(path: str, expected: dict[str, object]) -> None:
    bag: dict[str, object] = {}
    put_path(bag, path)
    assert bag == expected

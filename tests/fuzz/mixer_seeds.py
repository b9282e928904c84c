"""What Mixer's targets begin with: calls as proxies make them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest as EnvoyCheckRequest
from envoy.service.ratelimit.v3.rls_pb2 import RateLimitRequest
from google.protobuf import json_format

from flotilla_mixer.offline.typed_values import typed
from flotilla_mixer.testing.native import NativeClient
from flotilla_shared.model.expressions import Duration, Timestamp

BAG: dict[str, object] = {
    "context.reporter.kind": "inbound",
    "destination.namespace": "default",
    "source.uid": "kubernetes://reviews-v2.default",
    "source.labels": {"version": "v2"},
    "request.headers": {"a": "b", "cookie": "c=d"},
    "request.path": "/x?y=z",
    "request.size": 4,
    "request.time": Timestamp(1_700_000_000_000_000_000),
    "response.duration": Duration(5_000_000),
    "connection.mtls": True,
    "source.ip": b"\x7f\0\2\4",
    "own.attribute": 1.5,
}
ADDRESS = {"socketAddress": {"address": "127.0.2.4", "portValue": 80}}
HTTP = {
    "source": {"address": ADDRESS, "principal": "spiffe://cluster.local/ns/default/sa/reviews"},
    "destination": {"address": ADDRESS},
    "request": {"time": "2026-01-01T00:00:00Z", "http": {"id": "1", "path": "/x?y=z", "headers": {"a": "b"}}},
}
LOG_ENTRY = {
    "commonProperties": {
        "downstreamDirectRemoteAddress": ADDRESS,
        "startTime": "2026-01-01T00:00:00Z",
        "timeToLastDownstreamTxByte": "0.005s",
        "customTags": {"flags": "UF", "peer": "spiffe://cluster.local/ns/default/sa/reviews", "route": "{}"},
    },
    "request": {"path": "/x?y=z", "requestHeaders": {"a": "b"}, "requestBodyBytes": "5"},
    "response": {"responseCode": 200},
}
EXPRESSIONS = [
    '(source.labels["version"] | request.path) == "v2" || ip(request.host) == ip("::1")\0a\0b',
    'dnsName(request.host) == dnsName("b.c") && email(source.user) == email("<a@b.c>")\0xn--bcher-kva.de\0a@b',
    'uri(request.path) != uri("http://[::1]:80/%7e?x#y") || request.path.matches("a(b|c)*$")\0http://é/',
    'timestamp(request.path) < timestamp("2026-01-01T5:00:00,5+24:00") || "1h2.5m" == "3ns"',
    'conditional(size(toLower(request.path)) > 3, match(request.host, "*a"), connection.mtls | true)',
]


def attributes() -> Iterator[bytes]:
    for words in (0, 100, 222):
        yield NativeClient(words).check_request(BAG).attributes.SerializeToString()


def check() -> Iterator[bytes]:
    for words in (0, 222):
        yield NativeClient(words).check_request(BAG, {"q": (2, True), "other": (1, False)}, "id").SerializeToString()


def report() -> Iterator[bytes]:
    other = BAG | {"request.path": "/y", "request.size": 5}
    for delta in (True, False):
        yield NativeClient(222).report_request([BAG, other, BAG], delta=delta).SerializeToString()


def rate_limits() -> Iterator[bytes]:
    entries = [{"key": "user", "value": "jason"}, {"key": "user", "value": ""}]
    said = {"domain": "q", "descriptors": [{"entries": entries, "hits_addend": "2"}, {}], "hits_addend": 3}
    yield json_format.ParseDict(said, RateLimitRequest()).SerializeToString()


def ext_authz() -> Iterator[bytes]:
    for given in (HTTP, {"source": HTTP["source"], "tlsSession": {"sni": "a.b"}}):
        yield json_format.ParseDict({"attributes": given}, EnvoyCheckRequest()).SerializeToString()


def access_logs() -> Iterator[bytes]:
    tcp = {"commonProperties": LOG_ENTRY["commonProperties"], "connectionProperties": {"sentBytes": "5"}}
    for given in ({"httpLogs": {"logEntry": [LOG_ENTRY, LOG_ENTRY]}}, {"tcpLogs": {"logEntry": [tcp, tcp]}}):
        yield json_format.ParseDict(given, StreamAccessLogsMessage()).SerializeToString()


def expressions() -> Iterator[bytes]:
    return (text.encode() for text in EXPRESSIONS)


CEL = (
    "pick(source.name, request.headers['a'], 'x') + string(1.5e3)",
    "has(request.headers.host) && 'a' in ['a', b'b' == b'c' ? 'd' : \"e\"]",
    "[1, 2].exists(n, n % 2 == 0) || {'a': 1u}['a'] < 2u",
    "request.time.getHours('UTC') - int('0x1') == -7 && !false",
    "google.protobuf.Int64Value{value: 1}.value == 1 // the end",
)


def cel() -> Iterator[bytes]:
    return (text.encode() for text in CEL)


def questions() -> Iterator[bytes]:
    question = {"attributes": {name: typed(value) for name, value in BAG.items()}, "quotas": {"q": 1}, "consume": True}
    yield json.dumps(question).encode()
    yield b'request.path == "/"'


SEEDS = {
    "mixer-attributes": attributes,
    "mixer-check": check,
    "mixer-report": report,
    "mixer-ext-authz": ext_authz,
    "mixer-rate-limits": rate_limits,
    "mixer-access-logs": access_logs,
    "mixer-expressions": expressions,
    "mixer-cel": cel,
    "mixer-questions": questions,
}
